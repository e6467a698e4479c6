import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityFile } from '@shoal/pki/identity';
import { errorMessage, systemClock } from '@shoal/runtime';
import { type HostConfig, hostArguments, hostFlags } from '../host/config.ts';
import { engineAnswers, ensureEngine } from '../host/engine.ts';
import { type HostStatus, hostStatus, type ProcessStatus } from '../host/health.ts';
import { controlSocket, logDirectory, repositoryRoot } from '../host/layout.ts';
import { hostPlan } from '../host/plan.ts';
import { dockerEngine, ensurePrograms, networkTools } from '../host/preflight.ts';
import { askSupervisor } from '../supervisor/control.ts';
import { runSupervisor } from '../supervisor/run.ts';
import { CommandError, type Terminal } from '../terminal.ts';

const healthyMsMax = 60_000;
const pollMs = 100;
/** A process that died this often while it should come up does not come up. */
const restartsMax = 4;
/** Lines of a process's log shown when it does not come up. */
const tailLines = 5;

export interface UpRequest {
  readonly config: HostConfig;
  /** The flags somebody gave; the others are defaults. */
  readonly given: ReadonlySet<keyof HostConfig>;
  readonly foreground: boolean;
}

/** Brings the host up: engine, supervisor, processes. Does nothing where all that runs. */
export async function up(request: UpRequest, terminal: Terminal): Promise<void> {
  const { config } = request;
  const running = await askSupervisor(controlSocket(config.runDir), { command: 'status' });
  if (running?.kind === 'status') {
    refuseOtherFlags(request, running.config);
    await ensureEngine(running.config.engine, running.config.dataDir, systemClock, terminal);
    await untilHealthy(
      running.config,
      () => undefined,
      () => undefined,
    );
    terminal.say(`already running (supervisor ${running.pid}); nothing to do`);
    terminal.print(nextSteps(running.config));
    return;
  }
  await preflight(config, terminal);
  if (request.foreground) return foreground(config, terminal);
  const supervisor = startDetached(config);
  await untilHealthy(config, supervisor, terminal.say);
  terminal.print(nextSteps(config));
}

/** @throws CommandError when a flag was given that the running host was not started with. */
function refuseOtherFlags({ config, given }: UpRequest, running: HostConfig): void {
  for (const { key, flag } of hostFlags) {
    if (given.has(key) && config[key] !== running[key]) {
      throw new CommandError(
        `already running with ${flag}=${running[key]}; to change that, first ./shoal down --run-dir=${running.runDir}`,
      );
    }
  }
}

async function preflight(config: HostConfig, terminal: Terminal): Promise<void> {
  for (const directory of [config.dataDir, config.runDir, logDirectory(config.dataDir)]) {
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw new CommandError(
        `${directory} cannot be used: ${errorMessage(error)}; run as root, or give --data-dir and --run-dir`,
      );
    }
  }
  const engineRuns = await engineAnswers(config.engine);
  const needsEngine = !engineRuns && config.engine.startsWith('unix://');
  await ensurePrograms(needsEngine ? [dockerEngine, ...networkTools] : networkTools, terminal);
  await ensureEngine(config.engine, config.dataDir, systemClock, terminal);
}

const planOf = (config: HostConfig) => hostPlan(config, repositoryRoot(), process.execPath);

async function foreground(config: HostConfig, terminal: Terminal): Promise<void> {
  const supervised = runSupervisor(config, planOf(config));
  let over = false;
  void untilHealthy(config, () => (over ? 'it was stopped' : undefined), terminal.say).then(
    () => terminal.say(`up; logs are in ${logDirectory(config.dataDir)}, Ctrl-C stops`),
    (error: unknown) => {
      if (!over) terminal.say(errorMessage(error));
    },
  );
  const outcome = await supervised;
  over = true;
  if (outcome === 'taken') throw new CommandError('another supervisor is starting here');
}

/** Gives back how the supervisor ended; undefined while it lives. */
function startDetached(config: HostConfig): () => string | undefined {
  const log = openSync(join(logDirectory(config.dataDir), 'supervisor.log'), 'a');
  let ended: string | undefined;
  try {
    const program = process.argv[1] ?? '';
    const args = ['--enable-source-maps', program, 'supervise', ...hostArguments(config)];
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
    });
    child.on('error', (error) => {
      ended = error.message;
    });
    child.on('exit', (code, signal) => {
      ended = `the supervisor ended with ${signal ?? `code ${code}`}`;
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  return () => ended;
}

const isUp = (status: ProcessStatus): boolean =>
  status.healthy && status.role !== '' && status.role !== 'starting';

/**
 * Waits until every process of the host is up, and tells of each.
 * @throws CommandError with the last words of the one that does not come up.
 */
async function untilHealthy(
  config: HostConfig,
  supervisorEnded: () => string | undefined,
  say: (line: string) => void,
): Promise<void> {
  const deadline = systemClock.monotonic() + healthyMsMax;
  const told = new Set<string>();
  for (;;) {
    const status = await hostStatus(config.runDir);
    for (const { process } of status.processes.filter(isUp)) {
      if (!told.has(process)) say(`${process} is up`);
      told.add(process);
    }
    if (status.supervisor !== null && status.processes.every(isUp)) return;
    const trouble = troubleOf(status, config, supervisorEnded());
    if (trouble !== undefined) throw new CommandError(trouble);
    if (systemClock.monotonic() > deadline) {
      const late = status.processes.filter((one) => !isUp(one)).map(({ process }) => process);
      throw new CommandError(
        `not up after ${healthyMsMax / 1000} s: ${late.join(', ') || 'the supervisor'}; see ${logDirectory(config.dataDir)}`,
      );
    }
    await new Promise<void>((resolve) => systemClock.after(pollMs, resolve));
  }
}

/** Why waiting longer is of no use; undefined while it may be. */
function troubleOf(
  status: HostStatus,
  config: HostConfig,
  supervisorEnded: string | undefined,
): string | undefined {
  const lastWords = (name: string): string => {
    const path = join(logDirectory(config.dataDir), `${name}.log`);
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
    return [`see ${path}:`, ...lines.slice(-tailLines)].join('\n  ');
  };
  if (supervisorEnded !== undefined && status.supervisor === null) {
    return `${supervisorEnded}; ${lastWords('supervisor')}`;
  }
  const broken = status.processes.find(
    ({ restarts, role }) => role === '' && restarts > restartsMax,
  );
  if (broken === undefined) return undefined;
  return `${broken.process} does not come up (${broken.detail}); ${lastWords(broken.process)}`;
}

function nextSteps(config: HostConfig): string {
  const member = existsSync(identityFile(config.dataDir));
  return [
    '',
    'Shoal is up. Next:',
    '',
    `  export DOCKER_HOST=unix://${config.socket}`,
    member ? '  docker node ls' : '  docker swarm init',
    '  docker service create --name web --replicas 3 busybox httpd -f -p 8000',
    '  docker service ps web',
    '',
    'No image registry in reach? images/build.sh makes busybox and whoami on this host.',
    './shoal status shows the processes, ./shoal logs what they say, ./shoal down stops them.',
  ].join('\n');
}
