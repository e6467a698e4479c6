import { type LogIndex, type Monotonic, systemClock } from '@shoal/runtime';
import type { Outcome } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import type { ProposalFailure, ProposalResult } from '../replica.ts';
import { OutcomeIndex, PendingProposal } from './proposals.ts';

const at = (index: number): LogIndex => index as LogIndex;
const outcome = (transaction: string, index: number): Outcome => ({
  kind: 'committed',
  transaction,
  index: at(index),
});
const busy: ProposalFailure = { kind: 'failed', code: 'busy', message: 'busy' };

function pending(ids: readonly string[], requests: number) {
  const index = new OutcomeIndex();
  let result: ProposalResult | undefined;
  const proposal = new PendingProposal(ids.length, requests, 0 as Monotonic, (ended) => {
    index.remove(proposal, ids);
    result = ended;
  });
  index.add(proposal, ids);
  return { index, proposal, result: () => result };
}

describe('a pending proposal', () => {
  test('ends with its outcomes in the order given, whichever way they arrive', () => {
    const { index, proposal, result } = pending(['a', 'b'], 1);
    index.applied([outcome('b', 4), outcome('other', 4)]);
    proposal.committed(at(5));
    expect(result()).toBeUndefined();
    index.applied([outcome('a', 5)]);
    expect(result()).toEqual({ kind: 'applied', outcomes: [outcome('a', 5), outcome('b', 4)] });
    expect(index.transactions).toBe(0);
  });

  test('refused as a whole keeps the reason; refused in part has an unknown outcome', () => {
    const whole = pending(['a', 'b'], 1);
    whole.proposal.refused(busy);
    expect(whole.result()).toEqual(busy);
    const part = pending(['a', 'b'], 2);
    part.proposal.committed(at(3));
    part.proposal.refused(busy);
    expect(part.result()).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  });

  test('committed but hidden by a snapshot has an unknown outcome', () => {
    const { index, proposal, result } = pending(['a'], 1);
    index.passed(at(9));
    expect(result()).toBeUndefined();
    proposal.committed(at(9));
    index.passed(at(8));
    expect(result()).toBeUndefined();
    index.passed(at(9));
    expect(result()).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  });

  test('not sent in time is unreachable, sent and not answered in time is unknown', () => {
    const long = { ...systemClock, monotonic: () => 500 as Monotonic };
    const unsent = pending(['a'], 1);
    const sent = pending(['b'], 1);
    sent.proposal.markSent();
    unsent.index.expire(long, 400, 1_000);
    sent.index.expire(long, 400, 1_000);
    expect(unsent.result()).toMatchObject({ code: 'no-leader' });
    expect(sent.result()).toBeUndefined();
    sent.index.expire(long, 400, 450);
    expect(sent.result()).toMatchObject({ code: 'unknown-outcome' });
  });
});
