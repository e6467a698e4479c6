import type { Logger } from '@shoal/runtime';
import { LeaseHolder, RemoteReplica, runStage, type Stage, type StageName } from '@shoal/stage';
import type { FakeAgentOptions, SessionOpener } from './fake-agent.ts';
import type { SimulatedProcess } from './process.ts';
import type { SimulatedVoter } from './voter.ts';

/** Parts that every control process is made of, as production makes them. */
export interface ControlParts {
  readonly process: SimulatedProcess;
  readonly replica: RemoteReplica;
  readonly lease: LeaseHolder;
  readonly logger: Logger;
}

/** A dispatcher over those parts; handed in, because libraries do not know the apps. */
export type DispatcherFactory = (parts: ControlParts) => {
  open(
    session: Parameters<SessionOpener>[0],
    network: FakeAgentOptions['network'],
  ): ReturnType<SessionOpener>;
};

export function controlParts(
  process: SimulatedProcess,
  voter: SimulatedVoter,
  stage: StageName,
  logger: Logger,
): ControlParts {
  const { clock, random } = process;
  const client = () => voter.clientFor(process);
  const common = { client, clock, random, logger };
  return {
    process,
    logger,
    replica: new RemoteReplica({ ...common, follower: process.name }),
    lease: new LeaseHolder({
      ...common,
      id: `${stage}@simulated/${process.name}`,
      stage,
      nodeId: 'simulated',
      address: process.name,
    }),
  };
}

/** One replica of a stage in a process of its own; `onFatal` is a bug that the run must report. */
export function startStage(
  parts: ControlParts,
  stage: Stage,
  onFatal: (error: unknown) => void,
): void {
  const { process, replica, lease, logger } = parts;
  const { clock, random } = process;
  runStage({ stage, replica, lease, clock, random, logger, onFatal });
}
