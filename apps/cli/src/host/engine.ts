import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Clock, pause } from '@shoal/runtime';
import { CommandError, type Terminal } from '../terminal.ts';
import { defaultEngine } from './config.ts';
import { logDirectory } from './layout.ts';

const pingMs = 3_000;
const startMsMax = 60_000;
const pollMs = 100;

/** Whether a Docker Engine answers at the address, as `unix:///path` or `tcp://host:port`. */
export function engineAnswers(engine: string): Promise<boolean> {
  const at = engine.startsWith('unix://')
    ? { socketPath: engine.slice('unix://'.length) }
    : hostOf(engine);
  return new Promise((resolve) => {
    const call = request({ ...at, path: '/_ping', timeout: pingMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.on('close', () => resolve(false));
    call.end();
  });
}

function hostOf(engine: string): { hostname: string; port: string } {
  const url = new URL(engine.replace(/^tcp:/, 'http:'));
  return { hostname: url.hostname, port: url.port };
}

/**
 * Sees to it that the engine answers: starts it where it is this host's own and none runs.
 * @throws CommandError when there is none and it cannot be started.
 */
export async function ensureEngine(
  engine: string,
  dataDir: string,
  clock: Clock,
  terminal: Terminal,
): Promise<void> {
  if (await engineAnswers(engine)) return;
  if (engine !== defaultEngine) {
    throw new CommandError(
      `no Docker Engine answers at ${engine}; start it, or give another one with --engine`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new CommandError('no Docker Engine runs here, and only root can start it: sudo dockerd');
  }
  terminal.say('starting the Docker Engine');
  const { ended, log } = existsSync('/run/systemd/system')
    ? startUnit()
    : startDetached(engine, dataDir);
  const deadline = clock.monotonic() + startMsMax;
  while (!(await engineAnswers(engine))) {
    const failure = ended();
    if (failure !== undefined || clock.monotonic() > deadline) {
      const tail = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-5) : [];
      const why = failure ?? `it does not answer after ${startMsMax / 1000} s`;
      const lines = tail.map((line) => `\n  ${line}`).join('');
      throw new CommandError(`the Docker Engine could not be started: ${why}; see ${log}${lines}`);
    }
    await pause(clock, pollMs);
  }
}

interface EngineStart {
  /** How the start failed; undefined as long as it may succeed. */
  readonly ended: () => string | undefined;
  readonly log: string;
}

function startUnit(): EngineStart {
  return watchStart('systemctl', ['start', 'docker'], 'ignore', 'journalctl -u docker', [0]);
}

function startDetached(engine: string, dataDir: string): EngineStart {
  mkdirSync(logDirectory(dataDir), { recursive: true });
  const log = join(logDirectory(dataDir), 'engine.log');
  const output = openSync(log, 'a');
  try {
    return watchStart('dockerd', [`--host=${engine}`], output, log, []);
  } finally {
    closeSync(output);
  }
}

function watchStart(
  program: string,
  args: readonly string[],
  output: number | 'ignore',
  log: string,
  goodCodes: readonly number[],
): EngineStart {
  let failure: string | undefined;
  const child = spawn(program, args, { detached: true, stdio: ['ignore', output, output] });
  child.on('error', (error) => {
    failure = error.message;
  });
  child.on('exit', (code, signal) => {
    if (code === null || !goodCodes.includes(code)) {
      failure = `${program} ended with ${signal ?? `code ${code}`}`;
    }
  });
  child.unref();
  return { ended: () => failure, log };
}
