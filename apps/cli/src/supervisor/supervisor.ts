import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errorMessage, type Logger, type Monotonic, type Timer } from '@shoal/runtime';
import { buildOf } from '../host/build.ts';
import type { ProcessPlan } from '../host/plan.ts';
import { lastWords } from './last-words.ts';
import { rotate } from './log-file.ts';
import { signal } from './orphans.ts';
import { type Lifecycle, type LifecycleEvent, newLifecycle, step } from './restart.ts';

/** A process that has not ended this long after SIGTERM is killed; processes force themselves at 10 s. */
export const stopGraceMs = 11_000;
const rotateEveryMs = 5_000;

/** What the supervisor knows of one process. */
export interface ChildStatus {
  readonly process: string;
  readonly state: Lifecycle['phase']['kind'];
  /** Null unless it runs. */
  readonly pid: number | null;
  readonly restarts: number;
  readonly uptimeMs: number;
  /** How it last ended; empty if it never did. */
  readonly lastExit: string;
  /** What it was started from, as {@link buildOf} tells. */
  readonly build: string;
}

interface Child {
  readonly plan: ProcessPlan;
  readonly logPath: string;
  life: Lifecycle;
  /** Where the log was when the process started. */
  logStart: number;
  startedAt: Monotonic | undefined;
  lastExit: string;
  build: string;
  timer: Timer | undefined;
  /** Calls of those who wait for the end. */
  readonly ended: (() => void)[];
}

/** Starts the processes of a host, restarts what dies, and stops all in reverse order. */
export class Supervisor {
  readonly #children: readonly Child[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #logDirectory: string;
  #rotation: Timer | undefined;
  #stopping = false;

  constructor(options: {
    readonly plans: readonly ProcessPlan[];
    readonly logDirectory: string;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#logDirectory = options.logDirectory;
    mkdirSync(options.logDirectory, { recursive: true });
    this.#children = options.plans.map((plan) => ({
      plan,
      logPath: join(options.logDirectory, `${plan.name}.log`),
      life: newLifecycle,
      logStart: 0,
      startedAt: undefined,
      lastExit: '',
      build: '',
      timer: undefined,
      ended: [],
    }));
  }

  start(): void {
    for (const child of this.#children) this.#on(child, { kind: 'start' });
    this.#armRotation();
  }

  status(): readonly ChildStatus[] {
    return this.#children.map(({ plan, life, startedAt, lastExit, build }) => ({
      process: plan.name,
      state: life.phase.kind,
      pid: life.phase.kind === 'running' || life.phase.kind === 'stopping' ? life.phase.pid : null,
      restarts: life.restarts,
      uptimeMs:
        life.phase.kind === 'running' && startedAt !== undefined
          ? Math.round(this.#clock.monotonic() - startedAt)
          : 0,
      lastExit,
      build,
    }));
  }

  /** Resolves when every process has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#rotation?.cancel();
    for (const child of this.#children.toReversed()) await this.#stop(child);
  }

  #stop(child: Child): Promise<void> {
    return new Promise((resolve) => {
      child.ended.push(resolve);
      this.#on(child, { kind: 'stop' });
      this.#tellEnded(child);
    });
  }

  /** The one place where a child's life goes on. */
  #on(child: Child, event: LifecycleEvent): void {
    const { next, effect } = step(child.life, event, this.#clock.monotonic());
    child.life = next;
    switch (effect.kind) {
      case 'spawn':
        this.#spawn(child);
        break;
      case 'wait':
        child.timer = this.#clock.after(effect.delayMs, () =>
          this.#on(child, { kind: 'wait-over' }),
        );
        break;
      case 'terminate':
        this.#terminate(child, effect.pid);
        break;
      case 'none':
        break;
    }
    this.#tellEnded(child);
  }

  #spawn(child: Child): void {
    const { plan } = child;
    child.build = buildOf(plan.bundle);
    const started = this.#spawnProcess(child);
    if (started === undefined) return;
    // A process that could not be started has no `exit`, and an error may follow a good start.
    let over = false;
    const exited = (how: string): void => {
      if (over) return;
      over = true;
      const expected = child.life.phase.kind === 'stopping';
      const words = expected ? '' : lastWords(child.logPath, child.logStart);
      child.lastExit = words === '' ? how : `${how}: ${words}`;
      this.#logger[expected ? 'info' : 'warn']({ child: plan.name, how }, 'process_ended');
      this.#on(child, { kind: 'exited' });
    };
    started.on('error', (error) => {
      if (started.pid === undefined) exited(error.message);
    });
    started.on('exit', (code, signal) => exited(signal ?? `code ${code}`));
    if (started.pid === undefined) return;
    child.startedAt = this.#clock.monotonic();
    this.#logger.info({ child: plan.name, childPid: started.pid }, 'process_started');
    this.#on(child, { kind: 'spawned', pid: started.pid });
  }

  /** Undefined when not even the log could be opened, or Node threw; that counts as a death. */
  #spawnProcess(child: Child): ChildProcess | undefined {
    const { plan, logPath } = child;
    let log: number;
    try {
      log = openSync(logPath, 'a');
      child.logStart = fstatSync(log).size;
    } catch (error) {
      this.#logger.error({ child: plan.name, error }, 'log_file_unusable');
      child.lastExit = 'its log file could not be opened';
      this.#on(child, { kind: 'exited' });
      return undefined;
    }
    try {
      return spawn(plan.program, plan.args, {
        // A session of its own: Ctrl-C is for the supervisor, which stops all in order.
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, ...plan.env },
      });
    } catch (error) {
      // Without memory, for one: most errors come as events, these do not.
      this.#logger.error({ child: plan.name, error }, 'process_start_failed');
      child.lastExit = errorMessage(error);
      this.#on(child, { kind: 'exited' });
      return undefined;
    } finally {
      closeSync(log);
    }
  }

  #terminate(child: Child, pid: number): void {
    signal(pid, 'SIGTERM');
    const kill = this.#clock.after(stopGraceMs, () => {
      this.#logger.warn({ child: child.plan.name, afterMs: stopGraceMs }, 'process_killed');
      signal(pid, 'SIGKILL');
    });
    child.ended.push(() => kill.cancel());
  }

  #tellEnded(child: Child): void {
    if (child.life.phase.kind !== 'stopped') return;
    child.timer?.cancel();
    for (const tell of child.ended.splice(0)) tell();
  }

  /** Rotates all logs, also those that the host's start made: the engine's and the supervisor's. */
  async #rotateLogs(): Promise<void> {
    const names = await readdir(this.#logDirectory);
    const logs = names.filter((name) => name.endsWith('.log'));
    // One after the other: what one gives up may be the room that the next one needs.
    for (const name of logs)
      await rotate(join(this.#logDirectory, name)).catch((error: unknown) =>
        this.#logger.warn({ log: name, error }, 'log_rotation_failed'),
      );
  }

  #armRotation(): void {
    if (this.#stopping) return;
    this.#rotation = this.#clock.after(rotateEveryMs, () => {
      void this.#rotateLogs()
        .catch((error: unknown) => this.#logger.warn({ error }, 'log_rotation_failed'))
        .then(() => this.#armRotation());
    });
  }
}
