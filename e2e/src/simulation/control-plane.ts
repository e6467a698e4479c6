import { createAllocator } from '@shoal/allocator';
import { Dispatcher, noMetrics, type Session } from '@shoal/dispatcher';
import { createOrchestrator } from '@shoal/orchestrator';
import type { AgentMessage } from '@shoal/proto';
import type { Logger } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import { type DispatcherFactory, type Report, SimulatedCluster } from '@shoal/sim';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** The product's own dispatcher behind the simulation's network. */
const dispatcher: DispatcherFactory = ({ process, replica, lease, logger }) => {
  const { clock, random } = process;
  const core = new Dispatcher({
    ...{ replica, lease, logger, clock, random },
    metrics: noMetrics,
    openRegistryAuth: () => undefined,
  });
  return {
    open({ nodeId, address, send, close }, network) {
      let session: Session | undefined;
      const early: AgentMessage[] = [];
      const hangUp = (): void => network.send('dispatcher', nodeId, close);
      const link = {
        send: (message: Parameters<typeof send>[0]) => {
          network.send('dispatcher', nodeId, () => send(message));
          return true;
        },
        close: hangUp,
      };
      const register = async (message: AgentMessage): Promise<void> => {
        if (message.body?.$case !== 'register') return hangUp();
        const result = await core.register(nodeId, address, message.body.value, link);
        if (result.kind === 'refused') return hangUp();
        session = result.session;
        for (const later of early.splice(0)) core.receive(session, later);
      };
      let registered = false;
      return {
        receive(message) {
          if (!process.alive) return hangUp();
          if (session !== undefined) core.receive(session, message);
          else if (registered) early.push(message);
          else {
            registered = true;
            void register(message);
          }
        },
        closed() {
          if (process.alive && session !== undefined) core.closed(session);
        },
      };
    },
  };
};

/** One run of the whole control plane; throws, naming the seed, when a rule was broken. */
export function simulateControlPlane(options: {
  readonly seed: number;
  readonly chaosMs: number;
  readonly replicas: number;
  readonly agents: number;
  readonly logger?: Logger;
}): Promise<Report> {
  const { seed, chaosMs, replicas, agents, logger = silent } = options;
  const stages = {
    orchestrator: createOrchestrator,
    allocator: createAllocator,
    scheduler: createScheduler,
  };
  return new SimulatedCluster({ seed, stages, dispatcher, replicas, agents, logger }).run(chaosMs);
}
