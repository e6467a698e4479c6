import { State } from '@shoal/state';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Buckets } from './buckets.ts';
import { Candidate } from './candidate.ts';
import { probesMax } from './terrain.ts';
import { aNode } from './testing/fake-board.ts';

function candidates(count: number): Candidate[] {
  const noUsage = new State().view.usage('none');
  return Array.from(
    { length: count },
    (_, at) => new Candidate(aNode(`node${at}`), at, () => noUsage),
  );
}

const move = fc.record({
  at: fc.nat({ max: 9 }),
  ofService: fc.nat({ max: 3 }),
  tasks: fc.nat({ max: 12 }),
  stays: fc.boolean(),
  start: fc.nat(),
});

it('the first that is accepted has fewest of the service, then fewest tasks, of all that are there', () => {
  fc.assert(
    fc.property(fc.array(move), fc.integer({ min: 1, max: 4 }), (moves, divisor) => {
      const all = candidates(10);
      const buckets = new Buckets();
      const there = new Map<Candidate, { ofService: number; tasks: number }>();
      const accepts = ({ hash }: Candidate): boolean => hash % divisor === 0;
      for (const { at, ofService, tasks, stays, start } of moves) {
        const candidate = all[at] as Candidate;
        if (stays) {
          buckets.put(candidate, ofService, tasks);
          there.set(candidate, { ofService, tasks });
        } else {
          buckets.remove(candidate);
          there.delete(candidate);
        }
        expect(buckets.size).toBe(there.size);
        const best = Math.min(
          ...[...there]
            .filter(([one]) => accepts(one))
            .map(([, place]) => 100 * place.ofService + place.tasks),
        );
        const found = buckets.find(start, { accepts });
        const place = found && there.get(found);
        const rank = place ? 100 * place.ofService + place.tasks : Number.POSITIVE_INFINITY;
        expect(rank).toBe(best);
      }
    }),
  );
});

it('a search gives up after a bounded number of nodes', () => {
  const buckets = new Buckets();
  for (const candidate of candidates(1_000)) buckets.put(candidate, 0, 0);
  let looks = 0;
  const accepts = (): boolean => {
    looks += 1;
    return false;
  };
  expect(buckets.find(0, { accepts }, probesMax)).toBeUndefined();
  expect(looks).toBe(probesMax);
});
