import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type AppliedEntry,
  encodePayload,
  encodeTransaction,
  type Outcome,
  State,
  type Transaction,
} from '../index.ts';

/** All chunks of a snapshot in one. */
export function imageOf(state: State): Buffer {
  return Buffer.concat([...state.snapshot().chunks]);
}

export function restored(image: Uint8Array, chunkBytes = image.length): State {
  const state = new State();
  const restore = state.restore();
  for (let at = 0; at < image.length; at += chunkBytes)
    restore.push(image.subarray(at, at + chunkBytes));
  restore.finish();
  return state;
}

export function payloadOf(time: number, transactions: readonly Transaction[]): Uint8Array {
  return encodePayload(time as Instant, transactions.map(encodeTransaction));
}

/** Applies as the next entry, through the encoding that the log carries. */
export function applyNext(state: State, ...transactions: readonly Transaction[]): AppliedEntry {
  const index = (state.view.index + 1) as LogIndex;
  return state.apply(index, payloadOf(1_000 * index, transactions));
}

export function outcomeOf(state: State, transaction: Transaction): Outcome {
  const [outcome] = applyNext(state, transaction).outcomes;
  if (outcome === undefined) throw new Error('an applied transaction has an outcome');
  return outcome;
}

/** Applies what must be committed. */
export function commit(state: State, ...transactions: readonly Transaction[]): AppliedEntry {
  const entry = applyNext(state, ...transactions);
  for (const outcome of entry.outcomes)
    if (outcome.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`);
  return entry;
}
