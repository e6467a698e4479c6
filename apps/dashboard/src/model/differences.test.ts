import fc from 'fast-check';
import { expect, test } from 'vitest';
import { differences, type Json } from './differences.ts';

test.each<[string, Json, Json, readonly object[]]>([
  ['the same', { A: [1, { B: 'x' }] }, { A: [1, { B: 'x' }] }, []],
  ['a value', { A: { B: 1 } }, { A: { B: 2 } }, [{ path: 'A.B', from: 1, to: 2 }]],
  ['something new', {}, { A: 'x' }, [{ path: 'A', from: undefined, to: 'x' }]],
  ['something new inside', {}, { A: { B: 'x' } }, [{ path: 'A.B', from: undefined, to: 'x' }]],
  ['something gone', { A: ['x', 'y'] }, { A: ['x'] }, [{ path: 'A[1]', from: 'y', to: undefined }]],
  [
    'of another kind',
    { A: ['x'] },
    { A: { 0: 'x' } },
    [{ path: 'A', from: ['x'], to: { 0: 'x' } }],
  ],
  ['a value for an object', { A: 1 }, { A: { B: 1 } }, [{ path: 'A', from: 1, to: { B: 1 } }]],
  ['nothing in other words', { A: null, B: '', C: [] }, { D: {}, E: { F: null } }, []],
  ['false is something', {}, { A: false }, [{ path: 'A', from: undefined, to: false }]],
])('%s', (_what, from, to, expected) => {
  expect(differences(from, to)).toEqual(expected);
});

const json = fc.jsonValue() as fc.Arbitrary<Json>;

test('there is none between a value and itself, and as many one way as the other', () => {
  fc.assert(fc.property(json, (value) => differences(value, value).length === 0));
  fc.assert(
    fc.property(json, json, (a, b) => {
      const there = differences(a, b).map(({ path, from, to }) => ({ path, from: to, to: from }));
      expect(new Set(there.map(({ path }) => path))).toEqual(
        new Set(differences(b, a).map(({ path }) => path)),
      );
    }),
  );
});
