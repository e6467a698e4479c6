import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const startMsMax = 20_000;
const pollMs = 50;
const applets = [
  'sh',
  'ls',
  'cat',
  'sleep',
  'echo',
  'true',
  'env',
  'hostname',
  'seq',
  'touch',
  'rm',
];

export const testImage = 'busybox:local';

/** A real Docker Engine of the test's own. */
export interface TestEngine {
  /** `unix://…`. */
  readonly address: string;
  /** The docker CLI against it; gives standard output. */
  docker(...args: string[]): Promise<string>;
  /** Ends the engine, and its containers with it, and starts it again. Absent for one that is not ours. */
  readonly restart?: () => Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when `check` gives something other than undefined or false; polls with a deadline. */
export async function eventually<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  msMax = 15_000,
): Promise<T> {
  const end = performance.now() + msMax;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${msMax} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/**
 * Starts an engine with the test image; a string says why there is none. `SHOAL_TEST_ENGINE` names one
 * that runs already and has the image.
 */
export async function startTestEngine(): Promise<TestEngine | string> {
  const given = process.env['SHOAL_TEST_ENGINE'];
  if (given !== undefined) {
    return { address: given, docker: cli(given), stop: () => Promise.resolve() };
  }
  if (process.getuid?.() !== 0) return 'only root can start a Docker Engine';
  const directory = await mkdtemp(join(tmpdir(), 'shoal-engine-'));
  const address = `unix://${directory}/docker.sock`;
  let daemon = startDaemon(directory, address);
  const docker = cli(address);
  const up = eventually('an engine', () => docker('version').catch(() => undefined), startMsMax);
  const outcome = await Promise.race([daemon.ended, up.then(() => undefined)]);
  const stop = async (): Promise<void> => {
    daemon.kill();
    await daemon.ended;
    await rm(directory, { recursive: true, force: true });
  };
  if (outcome !== undefined) return outcome;
  try {
    await importImage(directory, docker);
  } catch (error) {
    await stop();
    return `no test image: ${String(error)}`;
  }
  const restart = async (): Promise<void> => {
    daemon.kill();
    await daemon.ended;
    daemon = startDaemon(directory, address);
    await eventually('an engine', () => docker('version').catch(() => undefined), startMsMax);
  };
  return { address, docker, restart, stop };
}

function startDaemon(directory: string, address: string) {
  const child = spawn(
    'dockerd',
    [
      ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')],
      ...['--pidfile', join(directory, 'pid'), '--host', address],
      ...['--bridge=none', '--iptables=false', '--ip6tables=false'],
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`dockerd: ${error.message}`));
    child.once('exit', (code) => resolve(`dockerd ended with ${code}`));
  });
  return { ended, kill: () => child.kill('SIGTERM') };
}

function cli(address: string): TestEngine['docker'] {
  return async (...args) => (await run('docker', ['-H', address, ...args])).stdout;
}

async function importImage(directory: string, docker: TestEngine['docker']): Promise<void> {
  const root = join(directory, 'rootfs');
  for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await cp('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of applets) await symlink('busybox', join(root, 'bin', applet));
  const archive = join(directory, 'image.tar');
  await run('tar', ['-C', root, '-cf', archive, '.']);
  await docker('import', archive, testImage);
}
