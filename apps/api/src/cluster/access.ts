import { ApiError, apiErrors } from '@shoal/docker-api';
import type { Clock } from '@shoal/runtime';
import type { Manager, SwarmHost } from './membership.ts';

/** Longest wait of a request for the host to take up its membership, milliseconds. */
const takeUpMsMax = 2_000;

/** The manager this host is. @throws ApiError in Docker's words when it is none. */
export function requireManager(host: SwarmHost): Manager {
  const { standing } = host;
  switch (standing.kind) {
    case 'inactive':
      throw apiErrors.notManager();
    case 'worker':
      throw apiErrors.worker();
    case 'error':
      throw new ApiError(503, `This node cannot act as a swarm manager: ${standing.message}`);
    case 'manager':
      return standing.manager;
  }
}

/**
 * The manager with a state that holds everything acknowledged before this call. While the log cannot
 * be asked because its storage fails, what is in memory is served.
 * @throws ApiError
 */
export async function managerWithState(host: SwarmHost): Promise<Manager> {
  const manager = requireManager(host);
  const { replica } = manager;
  const result = await replica.catchUp();
  if (result.kind === 'caught-up' || (result.code === 'storage' && replica.ready)) return manager;
  if (replica.ready) throw apiErrors.noLeader();
  throw new ApiError(
    503,
    'the state of the swarm is still being loaded on this manager: try again in a moment',
  );
}

/** Waits while the host takes up its membership, so that no request hears of a host without swarm. */
export function untilTakenUp(host: SwarmHost, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(takeUpMsMax, resolve);
    void host.takingUp?.finally(() => {
      timer.cancel();
      resolve();
    });
  });
}
