import { ApiError, apiErrors } from '@shoal/docker-api';
import type { Clock, Monotonic } from '@shoal/runtime';
import type { ProposalFailure, Replica } from '@shoal/stage';
import type { FastifyReply } from 'fastify';
import type { ApiContext } from '../context.ts';
import { isRecent, noteConfirmed } from './freshness.ts';
import type { Manager, SwarmHost } from './standing.ts';
import { failureError, missingManagers } from './write.ts';

/** Longest wait of a request for the host to take up its membership, milliseconds. */
const takeUpMsMax = 2_000;
/** After a read found no leader the next ones do not wait for one, for so long; milliseconds. */
const staleMs = 1_000;
/** On answers from memory that may miss what others have written: there is no quorum to ask. */
const staleHeader = 'X-Shoal-Stale';

/** The manager this host is. @throws ApiError in Docker's words when it is none. */
export function requireManager(host: SwarmHost): Manager {
  const { standing } = host;
  switch (standing.kind) {
    case 'inactive':
      throw apiErrors.notManager();
    case 'worker':
      throw apiErrors.worker();
    case 'locked':
      throw apiErrors.locked();
    case 'pending':
    case 'error':
      throw new ApiError(503, `This node cannot act as a swarm manager: ${standing.message}`);
    case 'manager':
      return standing.manager;
  }
}

const staleSince = new WeakMap<Replica, Monotonic>();

/**
 * The manager with a state that holds everything acknowledged before this call. When no quorum can say so,
 * what is in memory is served, and the answer's header says that it may be old.
 * @throws ApiError
 */
export async function managerToRead(
  { host, clock }: ApiContext,
  reply: FastifyReply,
): Promise<Manager> {
  const manager = requireManager(host);
  const { replica } = manager;
  const since = staleSince.get(replica);
  if (since !== undefined && replica.ready && clock.monotonic() - since < staleMs) {
    void reply.header(staleHeader, 'true');
    return manager;
  }
  const result = await replica.catchUp();
  if (result.kind === 'caught-up') {
    staleSince.delete(replica);
    return manager;
  }
  if (!replica.ready) throw stillLoading(result);
  staleSince.set(replica, clock.monotonic());
  void reply.header(staleHeader, 'true');
  return manager;
}

/**
 * The manager with a state that holds everything acknowledged before this call, to decide a change on.
 * While the log cannot be asked because its storage fails, the change itself says so.
 * @throws ApiError
 */
export async function managerToWrite({ host, dataDir, clock }: ApiContext): Promise<Manager> {
  const manager = requireManager(host);
  const { replica } = manager;
  const result = await replica.catchUp();
  if (result.kind === 'caught-up') noteConfirmed(replica, clock);
  if (result.kind === 'caught-up' || (result.code === 'storage' && replica.ready)) return manager;
  if (!replica.ready) throw stillLoading(result);
  throw failureError(result, dataDir);
}

/**
 * Decides on something new. While the log answers, the state in memory is good enough to begin with, which saves a
 * question to the log; only when that says no is the newest waited for, and decided again. For decisions that the
 * state machine checks again. @throws ApiError
 */
export async function decideToAdd<T>(
  context: ApiContext,
  decide: (manager: Manager) => Promise<T>,
): Promise<{ readonly manager: Manager; readonly decided: T }> {
  const inMemory = requireManager(context.host);
  if (isRecent(inMemory.replica, context.clock)) {
    try {
      return { manager: inMemory, decided: await decide(inMemory) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
  const manager = await managerToWrite(context);
  return { manager, decided: await decide(manager) };
}

function stillLoading({ message }: ProposalFailure): ApiError {
  const detail = missingManagers(message);
  return new ApiError(
    503,
    `the state of the swarm is still being loaded on this manager: try again in a moment${detail === '' ? '' : ` ${detail}`}`,
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
