import { ApiError, apiErrors, rpcError } from '@shoal/docker-api';
import { newId } from '@shoal/runtime';
import type { ProposalFailure } from '@shoal/stage';
import { type Change, describeRefusal, type Refusal } from '@shoal/state';
import type { ApiContext } from '../context.ts';
import type { Caller } from '../http/caller.ts';
import { noteConfirmed } from './freshness.ts';
import type { Manager } from './standing.ts';

/** Attempts of a change that holds for any version of its objects, while others write to them. */
const attemptsMax = 5;

/**
 * Commits the changes in one transaction, seen by every later read of this process.
 * @throws ApiError when the state machine refused them or the log could not take them.
 */
export async function write(
  context: ApiContext,
  manager: Manager,
  caller: Caller,
  changes: readonly Change[],
): Promise<void> {
  const refusal = await commit(context, manager, caller, changes);
  if (refusal !== undefined) throw refusalError(refusal);
}

/**
 * Commits changes that hold for any version of their objects, as {@link write} does: they are made anew when
 * somebody else has written in between. @throws ApiError
 */
export async function writeNewest(
  context: ApiContext,
  manager: Manager,
  caller: Caller,
  changes: () => readonly Change[] | Promise<readonly Change[]>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const refusal = await commit(context, manager, caller, await changes());
    if (refusal === undefined) return;
    if (refusal.kind !== 'version-conflict' || attempt >= attemptsMax) throw refusalError(refusal);
  }
}

/** Commits the changes; resolves with why they were refused, if so. @throws ApiError of the log */
export async function commit(
  context: ApiContext,
  manager: Manager,
  caller: Caller,
  changes: readonly Change[],
): Promise<Refusal | undefined> {
  const { command, client } = caller;
  const result = await manager.replica.propose([
    {
      id: newId(context.random),
      actor: { kind: 'user', name: command, node: manager.identity.nodeId, client },
      reason: 'asked for through the API',
      decidedAt: manager.replica.view.index,
      changes,
    },
  ]);
  if (result.kind === 'failed') throw failureError(result, context.dataDir);
  noteConfirmed(manager.replica, context.clock);
  const [outcome] = result.outcomes;
  return outcome?.kind === 'refused' ? outcome.refusal : undefined;
}

/** What a client hears of a refusal by the state machine. */
export function refusalError(refusal: Refusal): ApiError {
  switch (refusal.kind) {
    case 'version-conflict':
      return apiErrors.outOfSequence();
    case 'name-conflict':
      return refusal.table === 'network'
        ? apiErrors.networkExists(refusal.name)
        : apiErrors.nameConflict(refusal.name);
    case 'not-found':
      if (refusal.table === 'service' || refusal.table === 'node')
        return apiErrors.notFound(refusal.table, refusal.id);
      return rpcError('NotFound', describeRefusal(refusal));
    case 'in-use':
      if (refusal.table === 'network')
        return apiErrors.networkInUse(
          refusal.id,
          refusal.by === 'service' ? 'service' : 'task',
          refusal.byId,
        );
      return rpcError('FailedPrecondition', describeRefusal(refusal));
    case 'already-exists':
      if (refusal.table === 'network') return apiErrors.ingressExists(refusal.id);
      return rpcError('AlreadyExists', describeRefusal(refusal));
    case 'last-manager':
      return apiErrors.lastManager();
    case 'is-manager':
      return apiErrors.nodeIsManager(refusal.node);
    default:
      return rpcError('FailedPrecondition', describeRefusal(refusal));
  }
}

export function failureError(failure: ProposalFailure, dataDir: string): ApiError {
  switch (failure.code) {
    case 'storage':
      return new ApiError(
        500,
        `the change was not stored: the disk under the data directory ${dataDir} refuses writes (${failure.message})`,
      );
    case 'no-leader':
      return apiErrors.noLeader(missingManagers(failure.message));
    case 'busy':
      return new ApiError(503, `this manager has too much to do: ${failure.message}`);
    case 'unknown-outcome':
      return new ApiError(500, `it is not known whether the change was stored: ${failure.message}`);
    case 'too-large':
    case 'malformed':
      return rpcError('InvalidArgument', failure.message);
  }
}

const leaderless = 'the swarm does not have a leader';

/** How many managers are missing, as the log says it, for the end of Docker's own sentence. */
export function missingManagers(message: string): string {
  const told = message.startsWith(leaderless) ? message.slice(leaderless.length) : message;
  const text = told.replace(/^[\s:.,]+/, '');
  return text === '' ? '' : `(${text})`;
}
