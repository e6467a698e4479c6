import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rendezvous } from './ownership.ts';

const keys = Array.from({ length: 20_000 }, (_, at) => `k${at.toString(36)}`);
const replicas = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `scheduler@node/${at}`);

describe('rendezvous', () => {
  test('one replica owns everything, none owns nothing', () => {
    expect(rendezvous(['a']).owner('key')).toBe('a');
    expect(rendezvous([]).owner('key')).toBeUndefined();
  });

  test('replicas share the keys evenly', () => {
    for (const count of [2, 3, 7]) {
      const ownership = rendezvous(replicas(count));
      const owned = new Map<string, number>();
      for (const key of keys) {
        const owner = ownership.owner(key) ?? '';
        owned.set(owner, (owned.get(owner) ?? 0) + 1);
      }
      expect(owned.size).toBe(count);
      // Five standard deviations of a fair share.
      const fair = keys.length / count;
      const slack = 5 * Math.sqrt(fair * (1 - 1 / count));
      for (const share of owned.values()) expect(Math.abs(share - fair)).toBeLessThan(slack);
    }
  });

  test('when a replica leaves, only its keys move; the order of the ids does not matter', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 6 }),
        fc.array(fc.string({ maxLength: 12 }), { minLength: 1, maxLength: 30 }),
        (ids, some) => {
          const [gone, ...rest] = ids;
          const before = rendezvous(ids.toReversed());
          const after = rendezvous(rest);
          for (const key of some) {
            const owner = before.owner(key);
            if (owner !== gone) expect(after.owner(key)).toBe(owner);
            expect(rendezvous(ids).owner(key)).toBe(owner);
          }
        },
      ),
    );
  });

  test('the hash is part of the protocol between versions', () => {
    const ownership = rendezvous(['a', 'b', 'c']);
    const owners = ['service-1', 'service-2', 'node-1', 'node-2', 'x', ''].map((key) =>
      ownership.owner(key),
    );
    expect(owners).toMatchInlineSnapshot(`
      [
        "a",
        "c",
        "b",
        "b",
        "b",
        "b",
      ]
    `);
  });
});
