import type { LogIndex, Monotonic } from '@shoal/runtime';
import type { Outcome } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import type { ProposalFailure, ProposalResult } from '../replica.ts';
import { noLeaderMsMax, OutcomeIndex, Part, PendingProposal } from './proposals.ts';

const at = (index: number): LogIndex => index as LogIndex;
const committed = (transaction: string, index: number): Outcome => ({
  kind: 'committed',
  transaction,
  index: at(index),
});
const refused = (transaction: string, index: number): Outcome => ({
  kind: 'refused',
  transaction,
  index: at(index),
  change: 0,
  refusal: { kind: 'not-found', table: 'node', id: 'n' },
});
const failure = (code: ProposalFailure['code']): ProposalFailure => ({
  kind: 'failed',
  code,
  message: code,
});

/** A proposal of some transactions in messages of one each, and a state that the test moves on. */
function pending(...ids: readonly string[]) {
  const index = new OutcomeIndex();
  let cursor = 0;
  let result: ProposalResult | undefined;
  const proposal = new PendingProposal(
    ids.length,
    0 as Monotonic,
    () => at(cursor),
    (ended) => {
      index.remove(proposal, ids);
      result = ended;
    },
  );
  const parts = ids.map((_, place) => new Part(proposal, place, [Buffer.alloc(1)], 1));
  proposal.consistsOf(parts);
  index.add(proposal, ids);
  const part = (place: number): Part => {
    const found = parts[place];
    if (found === undefined) throw new Error('no such part');
    return found;
  };
  const answer = (place: number, upTo: number): void => {
    part(place).committed(at(upTo));
    proposal.look();
  };
  const apply = (upTo: number, ...outcomes: readonly Outcome[]): void => {
    cursor = upTo;
    index.applied(outcomes);
  };
  const jump = (to: number): void => {
    cursor = to;
    index.jumped();
  };
  return { index, proposal, part, answer, apply, jump, result: () => result };
}

describe('a pending proposal', () => {
  test('ends with its outcomes in the order given, whichever way they arrive', () => {
    const { index, part, apply, result } = pending('a', 'b');
    part(0).sending();
    part(1).sending();
    apply(4, refused('b', 4), committed('other', 4));
    expect(result()).toBeUndefined();
    apply(5, committed('a', 5));
    expect(result()).toEqual({ kind: 'applied', outcomes: [committed('a', 5), refused('b', 4)] });
    expect(index.transactions).toBe(0);
  });

  test('refused as a whole keeps the reason; refused in part has an unknown outcome', () => {
    const whole = pending('a');
    whole.part(0).sending();
    whole.proposal.refused(whole.part(0), failure('storage'));
    expect(whole.result()).toEqual(failure('storage'));
    const half = pending('a', 'b');
    half.part(0).sending();
    half.part(1).sending();
    half.answer(0, 3);
    half.proposal.refused(half.part(1), failure('storage'));
    expect(half.result()).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  });

  test('committed but hidden by a snapshot has an unknown outcome', () => {
    const { part, answer, jump, result } = pending('a');
    part(0).sending();
    jump(8);
    expect(result()).toBeUndefined();
    answer(0, 9);
    expect(result()).toBeUndefined();
    jump(9);
    expect(result()).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  });
});

describe('with several copies of a transaction about', () => {
  test('that one was taken counts, whichever it was', () => {
    const { proposal, part, apply, result } = pending('a');
    part(0).sending();
    proposal.attemptFailed(part(0), failure('unknown-outcome'));
    part(0).sending();
    apply(4, committed('a', 4));
    expect(result()).toEqual({ kind: 'applied', outcomes: [committed('a', 4)] });
  });

  test('that one was refused counts only when all have gone by', () => {
    const { proposal, part, answer, apply, result } = pending('a');
    part(0).sending();
    proposal.attemptFailed(part(0), failure('unknown-outcome'));
    part(0).accounted();
    part(0).sending();
    apply(4, refused('a', 4));
    expect(result()).toBeUndefined();
    answer(0, 6);
    expect(result()).toBeUndefined();
    apply(6, committed('a', 6));
    expect(result()).toEqual({ kind: 'applied', outcomes: [committed('a', 6)] });
  });

  test('a refusal after a snapshot may be that of a second copy', () => {
    const { proposal, part, answer, apply, jump, result } = pending('a');
    part(0).sending();
    proposal.attemptFailed(part(0), failure('unknown-outcome'));
    jump(5);
    part(0).accounted();
    part(0).sending();
    answer(0, 6);
    apply(6, refused('a', 6));
    expect(result()).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  });
});

describe('waiting ends', () => {
  const unsentMs = 400;
  const sentMs = 20_000;
  const cases: readonly [
    what: string,
    prepare: (p: ReturnType<typeof pending>) => void,
    waitedMs: number,
    code: ProposalFailure['code'] | undefined,
  ][] = [
    ['what was never sent is not written', () => undefined, unsentMs, 'no-leader'],
    ['what is under way is waited for', ({ part }) => part(0).sending(), sentMs - 1, undefined],
    ['and then unknown', ({ part }) => part(0).sending(), sentMs, 'unknown-outcome'],
    [
      'what the log did not take keeps the reason',
      ({ proposal, part }) => {
        part(0).sending();
        proposal.attemptFailed(part(0), failure('busy'));
      },
      noLeaderMsMax,
      'busy',
    ],
    [
      'another copy under way is waited for',
      ({ proposal, part }) => {
        part(0).sending();
        proposal.attemptFailed(part(0), failure('no-leader'));
        part(0).sending();
      },
      noLeaderMsMax,
      undefined,
    ],
    [
      'a copy that got lost, and is not there, does not count',
      ({ proposal, part }) => {
        part(0).sending();
        proposal.attemptFailed(part(0), failure('unknown-outcome'));
        part(0).accounted();
        part(0).sending();
        proposal.attemptFailed(part(0), failure('no-leader'));
      },
      noLeaderMsMax,
      'no-leader',
    ],
    [
      'a copy that got lost makes it unknown, whatever was said later',
      ({ proposal, part }) => {
        part(0).sending();
        proposal.attemptFailed(part(0), failure('unknown-outcome'));
        part(0).sending();
        proposal.attemptFailed(part(0), failure('no-leader'));
      },
      sentMs,
      'unknown-outcome',
    ],
  ];
  test.each(cases)('%s', (_, prepare, waitedMs, code) => {
    const one = pending('a');
    prepare(one);
    one.proposal.expire(waitedMs, unsentMs, sentMs, 'unreachable');
    const result = one.result();
    expect(result?.kind === 'failed' ? result.code : undefined).toBe(code);
  });
});
