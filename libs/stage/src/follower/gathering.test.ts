import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Gathering, gatherMsMax } from './gathering.ts';
import type { Part } from './proposals.ts';

/** A part of a proposal that ends when the test says so. */
function fakePart(): { readonly part: Part; end(): void } {
  const proposal = { done: false };
  return {
    part: { proposal } as unknown as Part,
    end() {
      proposal.done = true;
    },
  };
}

function gathering() {
  const clock = new FakeClock();
  const begun = clock.monotonic();
  const gone: number[] = [];
  const gathers = new Gathering(clock, () => gone.push(clock.monotonic() - begun));
  return { clock, gone, gathers };
}

test('nothing waits while nothing is under way', () => {
  const { gathers } = gathering();
  expect(gathers.holds).toBe(false);
});

test('what comes waits until the last part under way is done', async () => {
  const { clock, gone, gathers } = gathering();
  const [one, other] = [fakePart(), fakePart()];
  gathers.sent([one.part, other.part]);
  one.end();
  expect(gathers.holds).toBe(true);
  other.end();
  expect(gathers.holds).toBe(false);
  await clock.advance(2 * gatherMsMax);
  expect(gone).toEqual([]);
});

test('it waits no longer than is reasonable', async () => {
  const { clock, gone, gathers } = gathering();
  gathers.sent([fakePart().part]);
  await clock.advance(5);
  expect(gathers.holds).toBe(true);
  await clock.advance(gatherMsMax);
  expect(gone).toEqual([5 + gatherMsMax]);
  expect(gathers.holds).toBe(false);
});

test('an answer ends the wait for its own message only', () => {
  const { gathers } = gathering();
  const [first, second] = [[fakePart().part], [fakePart().part]];
  gathers.sent(first);
  gathers.sent(second);
  gathers.answered(first);
  expect(gathers.holds).toBe(true);
  gathers.answered(second);
  expect(gathers.holds).toBe(false);
});
