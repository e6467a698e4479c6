import type { Identity } from '@shoal/pki';
import { type Health, type ProcessContext, type Running, runProcess } from '@shoal/runtime/process';
import { Gauge } from 'prom-client';
import { z } from 'zod';
import { LeaseHolder } from '../lease.ts';
import { type StageMetrics, stageMetrics } from '../shell/metrics.ts';
import type { RunningStage } from '../shell/options.ts';
import { runStage } from '../shell/shell.ts';
import type { Stage, StageName } from '../stage.ts';
import { ManagerHost, type ManagerSession, type ManagerWork } from './manager-host.ts';

const stageSchema = z.object({
  instance: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,63}$/)
    .default('0')
    .describe('tells replicas of the stage on one host apart'),
});

type StageContext = ProcessContext<z.output<typeof stageSchema>>;

/** A stage as a process of its own. */
export interface StageProcess {
  readonly name: StageName;
  readonly version: string;
  /** A new instance with empty caches, for each time that the host becomes a manager. */
  readonly stage: (session: ManagerSession, context: StageContext) => Stage;
  /** Where others reach this replica, `host:port`; empty if nobody calls it. */
  readonly address?: (identity: Identity) => string;
  /** What is served besides while the host is a manager; its address goes into the lease. */
  readonly beside?: (session: ManagerSession, context: StageContext) => Promise<Beside>;
}

/** Something that a stage's process serves to others. */
export interface Beside {
  /** `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

/** The whole `main` of a stage: stands by, and runs the stage while the host is a manager. */
export function runStageProcess(definition: StageProcess): Promise<void> {
  return runProcess({
    name: definition.name,
    version: definition.version,
    schema: stageSchema,
    givesBackAtRest: true,
    start: (context) => hostStage(definition, context),
  });
}

/** Runs the stage inside a process that has other things to do besides. */
export function hostStage(definition: StageProcess, context: StageContext): Running {
  const metrics = stageMetrics(context.metrics, definition.name);
  let running: RunningStage | undefined;
  const { clock, random, logger, fail, config } = context;
  const host = new ManagerHost({
    dataDir: config.dataDir,
    name: definition.name,
    clock,
    random,
    logger,
    start: (session) => {
      if (definition.beside === undefined) {
        const work = startStage(definition, context, session, metrics, '');
        running = work.running;
        return work;
      }
      running = undefined;
      return startBeside(definition.beside(session, context), context, (address) => {
        const work = startStage(definition, context, session, metrics, address);
        running = work.running;
        return work;
      });
    },
    onFatal: fail,
  });
  exposeLag(host, context);
  return { stop: () => host.stop(), health: () => healthOf(host, running) };
}

/** The stage starts when that has an address; without one it starts too, and nobody can call it. */
function startBeside(
  begun: Promise<Beside>,
  { logger, fail }: StageContext,
  start: (address: string) => ManagerWork,
): ManagerWork {
  let work: ManagerWork | undefined;
  let stopped = false;
  const served = begun.catch((error: unknown): undefined => {
    logger.error({ error }, 'serving_failed');
    return undefined;
  });
  void served
    .then((beside) => {
      if (!stopped) work = start(beside?.address ?? '');
    })
    .catch(fail);
  return {
    stop: async () => {
      stopped = true;
      await work?.stop();
      await (await served)?.stop();
    },
  };
}

function startStage(
  definition: StageProcess,
  context: StageContext,
  session: ManagerSession,
  metrics: StageMetrics,
  besideAddress: string,
): ManagerWork & { readonly running: RunningStage } {
  const { clock, random, logger } = context;
  const { identity, replica, leaseClient: client } = session;
  const lease = new LeaseHolder({
    client,
    id: `${definition.name}@${identity.nodeId}/${context.config.instance}`,
    stage: definition.name,
    nodeId: identity.nodeId,
    address: definition.address?.(identity) ?? besideAddress,
    clock,
    random,
    logger,
  });
  const stage = definition.stage(session, context);
  const onFatal = context.fail;
  const running = runStage({ stage, replica, lease, clock, random, logger, metrics, onFatal });
  return {
    running,
    stop: async () => {
      await running.stop();
      await lease.release();
    },
  };
}

function exposeLag(host: ManagerHost, context: StageContext): void {
  new Gauge({
    name: 'shoal_stage_log_lag_entries',
    help: 'Committed entries that this process has not applied yet.',
    registers: [context.metrics],
    collect() {
      const { state } = host;
      this.set(state.kind === 'active' ? state.session.replica.lag : 0);
    },
  });
}

function healthOf(host: ManagerHost, running: RunningStage | undefined): Health {
  const { state } = host;
  if (state.kind === 'standby' || running === undefined) {
    const detail = state.kind === 'standby' ? state.reason : '';
    return { ready: true, healthy: true, role: 'standby', detail };
  }
  const { ready, waitingFor, index } = running.health;
  const detail = waitingFor === '' ? '' : `waits for ${waitingFor}`;
  return { ready, healthy: true, role: 'active', logIndex: index, detail };
}
