import { ApiError, apiErrors, rpcError } from '@shoal/docker-api';
import { newId } from '@shoal/runtime';
import type { ProposalFailure } from '@shoal/stage';
import { type Change, describeRefusal, type Refusal } from '@shoal/state';
import type { ApiContext } from '../context.ts';
import type { Manager } from './membership.ts';

/**
 * Commits the changes in one transaction, seen by every later read of this process.
 * @throws ApiError when the state machine refused them or the log could not take them.
 */
export async function write(
  context: ApiContext,
  manager: Manager,
  command: string,
  changes: readonly Change[],
): Promise<void> {
  const result = await manager.replica.propose([
    {
      id: newId(context.random),
      actor: { kind: 'user', name: command },
      reason: 'asked for through the API',
      decidedAt: manager.replica.view.index,
      changes,
    },
  ]);
  if (result.kind === 'failed') throw failureError(result, context.dataDir);
  const [outcome] = result.outcomes;
  if (outcome?.kind === 'refused') throw refusalError(outcome.refusal);
}

/** What a client hears of a refusal by the state machine. */
export function refusalError(refusal: Refusal): ApiError {
  switch (refusal.kind) {
    case 'version-conflict':
      return apiErrors.outOfSequence();
    case 'name-conflict':
      return apiErrors.nameConflict(refusal.name);
    case 'not-found':
      if (refusal.table === 'service' || refusal.table === 'node')
        return apiErrors.notFound(refusal.table, refusal.id);
      return rpcError('NotFound', describeRefusal(refusal));
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
      return apiErrors.noLeader();
    case 'busy':
      return new ApiError(503, `this manager has too much to do: ${failure.message}`);
    case 'unknown-outcome':
      return new ApiError(500, `it is not known whether the change was stored: ${failure.message}`);
    case 'too-large':
    case 'malformed':
      return rpcError('InvalidArgument', failure.message);
  }
}
