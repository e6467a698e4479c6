import { createAllocator } from '@shoal/allocator';
import { Dispatcher, noMetrics, type Session } from '@shoal/dispatcher';
import { createOrchestrator } from '@shoal/orchestrator';
import type { AgentMessage } from '@shoal/proto';
import { createScheduler } from '@shoal/scheduler';
import type { ControlPlaneParts, DispatcherFactory } from '@shoal/sim';

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

/** The product's own stages and dispatcher. */
export const parts: ControlPlaneParts = {
  stages: {
    orchestrator: createOrchestrator,
    allocator: createAllocator,
    scheduler: createScheduler,
  },
  dispatcher,
};

/** What runs seeds of the control plane on a thread, for `runSeeds`. */
export const controlPlaneThread = new URL('./control-plane-thread.ts', import.meta.url);
