import { flushCompileCache } from 'node:module';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { z } from 'zod';
import { type Clock, systemClock } from '../clock.ts';
import { parseHostPort } from '../host-port.ts';
import { errorMessage } from '../invariant.ts';
import { type Logger, logLevels } from '../logger.ts';
import { type Random, systemRandom } from '../random.ts';
import { type AdminServer, type Health, publishAdmin, startAdmin } from './admin.ts';
import { parseConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { giveBackAtRest } from './rest.ts';

/** Bad flags or environment. */
export const exitUsage = 2;
/** A programmer error or an error nobody handled (sysexits' EX_SOFTWARE). */
export const exitSoftware = 70;
/** Time from the signal to the forced end. */
export const stopMsMax = 10_000;

/** From the start to the keeping of compiled code, when what a process needs has been loaded. */
const flushAfterMs = 2_000;
/**
 * How often the lag of the event loop is sampled, milliseconds. Each sample wakes the process: the library's
 * own 10 ms cost a process at rest most of what it used.
 */
const lagSampleMs = 500;

/** Admin ports on 127.0.0.1 by process name. */
export const adminPorts: Readonly<Record<string, number>> = {
  api: 9371,
  orchestrator: 9372,
  allocator: 9373,
  scheduler: 9374,
  dispatcher: 9375,
  agent: 9376,
  dns: 9377,
  'ingress-lb': 9378,
};

/** Flags that every process has. */
export interface CommonConfig {
  readonly dataDir: string;
  readonly runDir: string;
  readonly logLevel: (typeof logLevels)[number];
  /** `host:port`, port 0 for any free one, or `off`. */
  readonly metricsListen: string;
}

/** What a process gets from its skeleton. */
export interface ProcessContext<C> {
  readonly config: C & CommonConfig;
  readonly version: string;
  readonly logger: Logger;
  /** The process's own registry; names start with `shoal_`. */
  readonly metrics: Registry;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the process with code 70: for errors in the background that nobody can handle. */
  readonly fail: (error: unknown) => void;
}

export interface Running {
  /** Stop accepting, drain, close. Called once. */
  stop(): Promise<void>;
  health(): Health;
}

export interface ProcessDefinition<S extends z.ZodObject> {
  readonly name: string;
  readonly version: string;
  /** Flags of its own, beside the common ones. */
  readonly schema: S;
  /**
   * A tenth of a second more or less is nothing to those that this process works for: when it rests after a burst,
   * it stands still for about as long to give memory back to the host.
   */
  readonly givesBackAtRest?: boolean;
  /** Resolves when the process serves; throwing ends the process with code 1. */
  start(context: ProcessContext<z.output<S>>): Promise<Running> | Running;
}

function commonShape(name: string) {
  return {
    dataDir: z.string().min(1).default('/var/lib/shoal').describe('where state is kept'),
    runDir: z.string().min(1).default('/run/shoal').describe('where sockets and pid files are'),
    logLevel: z.enum(logLevels).default('info').describe(logLevels.join(', ')),
    metricsListen: z
      .string()
      .refine(
        (text) => text === 'off' || parseHostPort(text) !== undefined,
        'must be host:port, with port 0 for any free one, or off',
      )
      .default(`127.0.0.1:${adminPorts[name] ?? 0}`)
      .describe('metrics and health, host:port or off'),
  };
}

/**
 * The life of every process: config, logger, metrics, admin server, `start`, and on SIGTERM or SIGINT
 * the orderly stop. Resolves when `start` has; the process then lives until a signal or `fail`.
 */
export async function runProcess<S extends z.ZodObject>(
  definition: ProcessDefinition<S>,
): Promise<void> {
  const { name, version } = definition;
  const schema = z.object({ ...commonShape(name), ...definition.schema.shape });
  const outcome = parseConfig(schema, {
    argv: process.argv.slice(2),
    env: process.env,
    prefix: 'SHOAL_',
    usage: `shoal ${name} ${version}. Flags, each also read from the environment:`,
  });
  if (outcome.kind === 'help') {
    process.stdout.write(outcome.text);
    return;
  }
  if (outcome.kind === 'invalid') return refuse(name, outcome.message);
  const config = outcome.config as z.output<S> & CommonConfig;
  const logger = createLogger({ process: name, level: config.logLevel });
  const fail = failer(logger);
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);

  if (definition.givesBackAtRest === true) giveBackAtRest(systemClock, logger);
  const metrics = new Registry();
  collectDefaultMetrics({
    register: metrics,
    prefix: 'shoal_',
    eventLoopMonitoringPrecision: lagSampleMs,
  });
  const life = new Life(logger);
  const admin = await listen(config.metricsListen, {
    metrics,
    report: () => ({ process: name, version, pid: process.pid, ...life.health() }),
  });
  if (typeof admin === 'string') return refuse(name, admin);
  life.closing(() => admin.close());
  try {
    const withdraw = await publishAdmin(config.runDir, name, process.pid, admin.address);
    life.closing(withdraw);
  } catch (error) {
    logger.warn({ runDir: config.runDir, error: errorMessage(error) }, 'run_directory_unusable');
  }
  logger.info({ version, admin: admin.address }, 'starting');
  try {
    const context = { config, version, logger, metrics, clock: systemClock, random: systemRandom };
    life.started(await definition.start({ ...context, fail }));
    // Node keeps compiled code at an orderly end only; the start after a kill should be fast as well.
    systemClock.after(flushAfterMs, () => flushCompileCache());
  } catch (error) {
    logger.error({ error }, 'start_failed');
    // Nobody is to find a record of it.
    await life.close().catch(() => undefined);
    process.exit(1);
  }
}

/** Holds what must be closed, and closes it once when a signal comes. */
class Life {
  readonly #logger: Logger;
  readonly #closing: (() => Promise<void>)[] = [];
  #running: Running | undefined;
  #stopping = false;

  constructor(logger: Logger) {
    this.#logger = logger;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // A second signal means that somebody is out of patience.
        if (this.#stopping) process.exit(1);
        this.#stopping = true;
        this.#logger.info({ signal }, 'stopping');
        setTimeout(() => {
          this.#logger.error({ afterMs: stopMsMax }, 'stop_forced');
          process.exit(1);
        }, stopMsMax).unref();
        if (this.#running !== undefined) void this.#stop(this.#running);
      });
    }
  }

  /** `close` runs after the process's own stop, in the order of these calls. */
  closing(close: () => Promise<void>): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }

  started(running: Running): void {
    this.#running = running;
    this.#logger.info({}, 'started');
    if (this.#stopping) void this.#stop(running);
  }

  health(): Health {
    if (this.#stopping) return { ready: false, healthy: true, role: 'stopping', detail: '' };
    return this.#running?.health() ?? { ready: false, healthy: true, role: 'starting', detail: '' };
  }

  async #stop(running: Running): Promise<void> {
    try {
      await running.stop();
      await this.close();
      this.#logger.info({}, 'stopped');
      process.exit(0);
    } catch (error) {
      this.#logger.error({ error }, 'stop_failed');
      process.exit(1);
    }
  }
}

async function listen(
  text: string,
  options: Omit<Parameters<typeof startAdmin>[0], 'listen'>,
): Promise<AdminServer | string> {
  try {
    return await startAdmin({ ...options, listen: parseHostPort(text) ?? null });
  } catch (error) {
    return `--metrics-listen=${text} does not do: ${errorMessage(error)}; give another port, 0 for any free one, or off`;
  }
}

function failer(logger: Logger): (error: unknown) => void {
  return (error) => {
    logger.error({ error }, 'process_failed');
    process.exit(exitSoftware);
  };
}

function refuse(name: string, message: string): never {
  process.stderr.write(`shoal ${name}: ${message}\n`);
  process.exit(exitUsage);
}
