import { type NodeUsage, State } from '@shoal/state';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Candidate } from './candidate.ts';
import { Ledger } from './ledger.ts';
import { Lightest, probesMax } from './lightest.ts';
import { aNode, FakeBoard } from './testing/fake-board.ts';

const noUsage: NodeUsage = new State().view.usage('none');

function candidates(count: number): Candidate[] {
  const ledger = new Ledger();
  return Array.from(
    { length: count },
    (_, at) => new Candidate(aNode(`node${at}`), noUsage, ledger),
  );
}

it('always finds one of the least loaded that fit', () => {
  const board = new FakeBoard();
  board.service('web');
  const revision = board.state.view.revisions.of('web', 1);
  if (revision === undefined) throw new Error('no revision');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat()), (nodes, starts) => {
      const all = candidates(nodes);
      const lightest = new Lightest(all);
      for (const start of starts) {
        const fits = ({ hash }: Candidate): boolean => (hash ^ start) % 3 !== 0;
        const found = lightest.find(start, fits);
        const fewest = Math.min(...all.filter(fits).map(({ tasks }) => tasks));
        expect(found?.tasks ?? Number.POSITIVE_INFINITY).toBe(fewest);
        found?.place(revision);
        if (found !== undefined) lightest.moved(found);
      }
    }),
  );
});

it('gives up after a bounded number of nodes', () => {
  let looks = 0;
  const lightest = new Lightest(candidates(1_000));
  const found = lightest.find(0, () => {
    looks += 1;
    return false;
  });
  expect({ found, looks }).toEqual({ found: undefined, looks: probesMax });
});
