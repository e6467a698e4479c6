import { ApiError, apiErrors } from '@shoal/docker-api';
import type { Clock } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { Manager, SwarmHost } from './membership.ts';

/** Longest wait of a request for the state to be there after a start, milliseconds. */
export const readyMsMax = 2_000;

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
export async function managerWithState(host: SwarmHost, clock: Clock): Promise<Manager> {
  const manager = requireManager(host);
  const { replica } = manager;
  if (!replica.ready && !(await becomesReady(replica, clock)))
    throw new ApiError(
      503,
      'the state of the swarm is still being loaded on this manager: try again in a moment',
    );
  const result = await replica.catchUp();
  if (result.kind === 'failed' && result.code !== 'storage') throw apiErrors.noLeader();
  return manager;
}

function becomesReady(replica: Replica, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (ready: boolean): void => {
      stop();
      timer.cancel();
      resolve(ready);
    };
    const stop = replica.subscribe(() => {
      if (replica.ready) end(true);
    });
    const timer = clock.after(readyMsMax, () => end(replica.ready));
  });
}
