import type { Outcome, Transaction } from '@shoal/state';
import type { ProposalFailure, Replica } from '../replica.ts';

/** Transactions proposed in one message. */
const transactionsPerProposal = 256;
/** Proposals of one step under way at once. */
export const proposalsInFlightMax = 4;

/** What became of one transaction. */
export type TransactionResult = Outcome | ProposalFailure;

/** Proposes all in batches and resolves with one result a transaction, in the order given. */
export async function proposeAll(
  replica: Replica,
  transactions: readonly Transaction[],
): Promise<readonly TransactionResult[]> {
  const batches: (readonly Transaction[])[] = [];
  for (let at = 0; at < transactions.length; at += transactionsPerProposal)
    batches.push(transactions.slice(at, at + transactionsPerProposal));
  const results: (readonly TransactionResult[])[] = new Array(batches.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let own = next++; own < batches.length; own = next++)
      results[own] = await proposeBatch(replica, batches[own] ?? []);
  };
  await Promise.all(Array.from({ length: Math.min(proposalsInFlightMax, batches.length) }, work));
  return results.flat();
}

/** A batch that the log finds unfit is halved until the one transaction at fault stands alone. */
async function proposeBatch(
  replica: Replica,
  batch: readonly Transaction[],
): Promise<readonly TransactionResult[]> {
  const result = await replica.propose(batch);
  if (result.kind === 'applied') return result.outcomes;
  const unfit = result.code === 'too-large' || result.code === 'malformed';
  if (!unfit || batch.length <= 1) return batch.map(() => result);
  const middle = batch.length >> 1;
  const first = await proposeBatch(replica, batch.slice(0, middle));
  return [...first, ...(await proposeBatch(replica, batch.slice(middle)))];
}
