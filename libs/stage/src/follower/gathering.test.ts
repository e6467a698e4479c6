import { describe, expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Gathering, gatherMsMax, turnsMax, turnsMin } from './gathering.ts';
import type { Part } from './proposals.ts';

/** Parts of a message, which end when the test says so. */
function fakeParts(count: number) {
  const proposals = Array.from({ length: count }, () => ({ done: false }));
  return {
    parts: proposals.map((proposal) => ({ proposal }) as unknown as Part),
    end(): void {
      for (const proposal of proposals) proposal.done = true;
    },
    endFirst(): void {
      const [first] = proposals;
      if (first !== undefined) first.done = true;
    },
  };
}

/** `arrivals`: how many wait at each turn of the event loop, the last number for ever. */
function scene(...arrivals: readonly number[]) {
  const clock = new FakeClock();
  let turns = 0;
  let pending: (() => void) | undefined;
  /** Turns, or `late`, after which what waits was let go; and whether it was held even then. */
  const gone: [after: number, held: boolean][] = [];
  const gathering: Gathering = new Gathering({
    clock,
    nextTurn: (act) => {
      pending = act;
    },
    waiting: () => arrivals[Math.min(turns, arrivals.length) - 1] ?? 0,
    go: () => gone.push([turns, gathering.holdBack()]),
  });
  return {
    clock,
    gathering,
    gone,
    turn(count: number): void {
      for (let at = 0; at < count; at += 1) {
        const act = pending;
        pending = undefined;
        turns += 1;
        act?.();
      }
    },
  };
}

describe('a message under way', () => {
  test('holds what comes until its last part is done', () => {
    const { gathering } = scene();
    expect(gathering.holdBack()).toBe(false);
    const { parts, end, endFirst } = fakeParts(2);
    gathering.sent(parts);
    endFirst();
    expect(gathering.holdBack()).toBe(true);
    end();
    gathering.sent(fakeParts(0).parts);
    expect(gathering.holdBack()).toBe(false);
  });

  test('is not waited for longer than is reasonable', async () => {
    const { clock, gathering, gone } = scene();
    gathering.sent(fakeParts(1).parts);
    await clock.advance(gatherMsMax);
    expect(gone).toEqual([]);
    expect(gathering.holdBack()).toBe(true);
    await clock.advance(gatherMsMax);
    expect(gone).toEqual([[0, false]]);
  });

  test('is waited for once only, also where what was let go could not leave', async () => {
    const { clock, gathering, gone } = scene();
    gathering.sent(fakeParts(1).parts);
    expect(gathering.holdBack()).toBe(true);
    await clock.advance(gatherMsMax);
    expect(gone).toHaveLength(1);
    // The connection was full; now it has room.
    expect(gathering.holdBack()).toBe(false);
    gathering.sent(fakeParts(1).parts);
    expect(gathering.holdBack()).toBe(true);
  });

  test('is over for the answer to itself only', () => {
    const { gathering } = scene();
    const [first, second] = [fakeParts(1).parts, fakeParts(1).parts];
    gathering.sent(first);
    gathering.sent(second);
    gathering.answered(first);
    expect(gathering.holdBack()).toBe(true);
    gathering.answered(second);
    expect(gathering.holdBack()).toBe(false);
  });
});

describe('after a message', () => {
  const cases: readonly [what: string, last: number, arrivals: readonly number[], after: number][] =
    [
      ['of one proposal nobody is waited for', 1, [], 0],
      ['of several a few turns are', 8, [1], turnsMin],
      ['of several more are while more come', 8, [1, 2, 3, 4, 5, 5], 6],
      ['of several not for ever', 99, Array.from({ length: 99 }, (_, at) => at + 1), turnsMax],
    ];
  test.each(cases)('%s', (_what, last, arrivals, after) => {
    const { gathering, gone, turn } = scene(...arrivals);
    const { parts, end } = fakeParts(last);
    gathering.sent(parts);
    end();
    expect(gathering.holdBack()).toBe(after > 0);
    expect(gathering.holdBack()).toBe(after > 0);
    turn(200);
    expect(gone).toEqual(after > 0 ? [[after, false]] : []);
  });
});
