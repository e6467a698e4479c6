import type { AppliedChange } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { FakeRandom } from '../testing/fake-random.ts';
import { FakeClock } from '../testing/index.ts';
import { PendingWork, pendingChangesMax } from './pending.ts';

const change: AppliedChange = { table: 'node', id: 'a', before: undefined, after: undefined };

function newWork(): { clock: FakeClock; work: PendingWork } {
  const clock = new FakeClock();
  const work = new PendingWork(clock, new FakeRandom(1), () => undefined);
  work.take(clock.now());
  return { clock, work };
}

describe('PendingWork', () => {
  test('begins with everything, then holds what came since the last step', () => {
    const clock = new FakeClock();
    const work = new PendingWork(clock, new FakeRandom(1), () => undefined);
    expect(work.take(clock.now()).changed.everything).toBe(true);
    expect(work.any).toBe(false);
    work.add([change]);
    expect(work.take(clock.now()).changed).toMatchObject({ everything: false, changes: [change] });
  });

  test('forgets single changes for a look at everything when there are too many', () => {
    const { clock, work } = newWork();
    const many = Array<AppliedChange>(pendingChangesMax).fill(change);
    work.add(many);
    expect(work.any).toBe(true);
    work.add([change]);
    const { changed } = work.take(clock.now());
    expect(changed.everything).toBe(true);
    expect(changed.changes).toEqual([]);
  });

  test('says since when the oldest part has waited', async () => {
    const { clock, work } = newWork();
    work.add([change]);
    const since = clock.monotonic();
    await clock.advance(50);
    work.add([change]);
    expect(work.take(clock.now()).since).toBe(since);
  });

  test('a key that asked for nothing any more is forgiven its refusals', async () => {
    const { clock, work } = newWork();
    work.refused('a');
    work.refused('a');
    expect(work.take(clock.now()).changed.due).toEqual(new Set(['a']));
    await clock.advance(60);
    const { changed } = work.take(clock.now());
    expect(changed.due).toEqual(new Set(['a']));
    work.settle(changed, new Set());
    work.refused('a');
    expect(work.take(clock.now()).changed.due).toEqual(new Set(['a']));
    work.stop();
    expect(clock.timers).toBe(0);
  });
});
