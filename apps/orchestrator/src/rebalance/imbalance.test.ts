import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Spot, shiftOf } from './imbalance.ts';

const spot = (
  nodeId: string,
  ofService: number,
  total = ofService,
  rest: Partial<Spot> = {},
): Spot => ({
  nodeId,
  ofService,
  total,
  fits: true,
  branches: [],
  ...rest,
});

test.each<[string, readonly Spot[], string | undefined]>([
  ['nothing is even', [], undefined],
  ['a difference of one is even', [spot('a', 2), spot('b', 1)], undefined],
  ['a difference of two is not', [spot('a', 2), spot('b', 0)], 'a>b'],
  ['from the fullest to the emptiest', [spot('a', 2), spot('b', 4), spot('c', 1)], 'b>c'],
  ['only where it fits', [spot('a', 5), spot('b', 0, 0, { fits: false }), spot('c', 1)], 'a>c'],
  [
    'of equal nodes to the one with less load',
    [spot('a', 3), spot('b', 1, 9), spot('c', 1, 4)],
    'a>c',
  ],
  [
    'two nodes change places where one has far more load',
    [spot('a', 1, 5), spot('b', 0, 0)],
    'a>b',
  ],
  ['but not for a difference of one in load', [spot('a', 1, 2), spot('b', 0, 1)], undefined],
  [
    'nor where the service itself would be less even',
    [spot('a', 1, 9), spot('b', 1, 0)],
    undefined,
  ],
])('%s', (_name, spots, move) => {
  const shift = shiftOf(spots);
  expect(shift && `${shift.from}>${shift.to}`).toBe(move);
});

const zoned = (nodeId: string, zone: string, ofService: number): Spot =>
  spot(nodeId, ofService, ofService, { branches: [zone] });

test.each<[string, readonly Spot[], string | undefined]>([
  ['branches come first', [zoned('a', 'x', 2), zoned('b', 'x', 2), zoned('c', 'y', 1)], 'a>c|b>c'],
  [
    'even branches keep their tasks',
    [zoned('a', 'x', 2), zoned('b', 'y', 1), zoned('c', 'y', 1)],
    undefined,
  ],
  [
    'then the nodes of a branch',
    [zoned('a', 'x', 2), zoned('b', 'y', 2), zoned('c', 'y', 0)],
    'b>c',
  ],
])('with spread preferences %s', (_name, spots, moves) => {
  const shift = shiftOf(spots);
  if (moves === undefined) expect(shift).toBeUndefined();
  else expect(moves.split('|')).toContain(`${shift?.from}>${shift?.to}`);
});

test('moves come to an end, and leave all nodes that fit within one of each other', () => {
  const services = fc.integer({ min: 1, max: 3 });
  const nodes = fc.array(
    fc.record({
      counts: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 3 }),
      zone: fc.constantFrom('x', 'y', 'z'),
      row: fc.constantFrom('1', '2'),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(services, nodes, fc.integer({ min: 0, max: 2 }), (count, places, depth) => {
      const tasks = places.map(({ counts }) => counts.slice(0, count));
      const spots = (service: number): Spot[] =>
        places.map(({ zone, row }, at) => ({
          nodeId: `n${at}`,
          ofService: tasks[at]?.[service] ?? 0,
          total: (tasks[at] ?? []).reduce((sum, n) => sum + n, 0),
          fits: true,
          branches: [zone, row].slice(0, depth),
        }));
      let moves = 0;
      for (let service = 0; service < count; ) {
        const shift = shiftOf(spots(service));
        if (shift === undefined) {
          service += 1;
          continue;
        }
        const from = tasks[Number(shift.from.slice(1))] ?? [];
        const to = tasks[Number(shift.to.slice(1))] ?? [];
        from[service] = (from[service] ?? 0) - 1;
        to[service] = (to[service] ?? 0) + 1;
        moves += 1;
        expect(moves).toBeLessThan(500);
        service = 0;
      }
      if (depth > 0) return;
      for (let service = 0; service < count; service += 1) {
        const numbers = spots(service).map(({ ofService }) => ofService);
        expect(Math.max(...numbers) - Math.min(...numbers)).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 300 },
  );
});
