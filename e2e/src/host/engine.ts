import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, run } from './command.ts';
import { eventually } from './wait.ts';

export const repository = join(import.meta.dirname, '../../..');

/** A real Docker Engine of the test's own: own data, own socket, own network namespace. */
export interface Engine {
  readonly socket: string;
  readonly url: string;
  readonly pid: number;
  /** Runs a command inside the engine's network namespace. */
  inside(program: string, args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts dockerd under `directory`, in network and mount namespaces of its own so that several
 * engines do not fight over bridges and firewall rules.
 */
export async function startEngine(
  directory: string,
  flags: readonly string[] = [],
): Promise<Engine> {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, 'docker.sock');
  const log = openSync(join(directory, 'engine.log'), 'a');
  const dockerd = [
    'dockerd',
    `--data-root=${directory}/data`,
    `--exec-root=${directory}/exec`,
    `--pidfile=${directory}/pid`,
    `--host=unix://${socket}`,
    '--log-level=warn',
    ...flags,
  ].join(' ');
  const child = spawn(
    'unshare',
    [
      '--net',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      `ip link set lo up; exec ${dockerd}`,
    ],
    { detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const url = `unix://${socket}`;
  await eventually(
    `engine under ${directory}: ${readFileSync(join(directory, 'engine.log'), 'utf8').slice(-500)}`,
    async () => (await run('docker', ['--host', url, 'version'])).code === 0,
    60_000,
  );
  const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
  return {
    socket,
    url,
    pid,
    inside: (program, args) => mustRun('nsenter', ['-t', String(pid), '-n', program, ...args]),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      process.kill(pid, 'SIGTERM');
      await ended;
    },
  };
}
