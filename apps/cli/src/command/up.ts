import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { identityFile } from '@shoal/pki/identity';
import { errorMessage, systemClock } from '@shoal/runtime';
import { unitName } from '../host/boot-unit.ts';
import { otherBuilds, otherBuildsSentence } from '../host/build.ts';
import { type HostConfig, hostArguments, hostFlags } from '../host/config.ts';
import { engineAnswers, ensureEngine } from '../host/engine.ts';
import { hostStatus, silenceSentence } from '../host/health.ts';
import { controlSocket, logDirectory, repositoryRoot, supervisorPidFile } from '../host/layout.ts';
import { hostPlan } from '../host/plan.ts';
import {
  dockerEngine,
  ensurePrograms,
  networkTools,
  offerPrograms,
  recommendedTools,
} from '../host/preflight.ts';
import { untilHealthy } from '../host/readiness.ts';
import { askSupervisor } from '../supervisor/control.ts';
import { livingSupervisor } from '../supervisor/pid-file.ts';
import { runSupervisor } from '../supervisor/run.ts';
import { CommandError, type Terminal } from '../terminal.ts';
import { down } from './down.ts';
import { type Boot, enable, enabledAs } from './enable.ts';

export interface UpRequest {
  readonly config: HostConfig;
  /** The flags somebody gave; the others are defaults. */
  readonly given: ReadonlySet<keyof HostConfig>;
  readonly foreground: boolean;
}

/** Brings the host up: engine, supervisor, processes. Where all that runs it does nothing but say whether it runs as built here. */
export async function up(request: UpRequest, boot: Boot, terminal: Terminal): Promise<void> {
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
    const others = otherBuilds(await hostStatus(running.config.runDir), repositoryRoot());
    const rest = others.length === 0 ? 'nothing to do.' : otherBuildsSentence(others);
    terminal.print(`Already running (supervisor ${running.pid}); ${rest}`);
    terminal.print(nextSteps(running.config));
    return;
  }
  if (running?.kind === 'silent') {
    throw new CommandError(silenceSentence(livingSupervisor(supervisorPidFile(config.runDir))));
  }
  const enabled = request.foreground ? 'not' : enabledAs(config, boot);
  if (enabled === 'otherwise') {
    throw new CommandError(
      `${unitName} starts this host with the computer, and with other flags: systemctl start ${unitName} does so now, ./shoal enable changes them`,
    );
  }
  await preflight(config, terminal);
  if (request.foreground) return foreground(config, terminal);
  if (enabled === 'so') await boot.control('start', unitName);
  const supervisor = enabled === 'so' ? () => undefined : startDetached(config);
  await untilHealthy(config, supervisor, terminal.say);
  terminal.print(nextSteps(config));
}

/** Brings the host up by systemd, which does so from then on whenever the computer starts. @throws CommandError */
export async function upEnabled(config: HostConfig, boot: Boot, terminal: Terminal): Promise<void> {
  await preflight(config, terminal);
  const isRunning = livingSupervisor(supervisorPidFile(config.runDir)) !== undefined;
  if (isRunning && enabledAs(config, boot) !== 'so') await down(config.runDir, terminal);
  await enable(config, boot);
  await untilHealthy(config, () => undefined, terminal.say);
  terminal.say(`${unitName} starts it with the computer: systemctl status ${unitName}`);
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
  await offerPrograms(recommendedTools, terminal);
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

function openLog(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (error) {
    throw new CommandError(`the log cannot be written: ${errorMessage(error)}`);
  }
}

/** Gives back how the supervisor ended; undefined while it lives. */
function startDetached(config: HostConfig): () => string | undefined {
  const log = openLog(join(logDirectory(config.dataDir), 'supervisor.log'));
  let ended: string | undefined;
  try {
    const program = process.argv[1] ?? '';
    const args = [program, 'supervise', ...hostArguments(config)];
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
