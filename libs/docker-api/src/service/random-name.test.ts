import type { Random } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { randomName } from './random-name.ts';

/** Gives these numbers in turn, the last for ever. */
function chance(...numbers: readonly number[]): Random {
  let drawn = 0;
  return {
    next: () => numbers[Math.min(drawn++, numbers.length - 1)] ?? 0,
    bytes: (count) => new Uint8Array(count),
  };
}

describe('a name that is made up', () => {
  test.each([
    { title: 'is the first that chance picks', taken: [], name: 'admiring_agnesi' },
    { title: 'is another where that is taken', taken: ['admiring_agnesi'], name: 'zen_yonath' },
    {
      title: 'gets a number where all that chance picks are taken',
      taken: ['admiring_agnesi', 'zen_yonath', 'zen_yonath0'],
      name: 'zen_yonath1',
    },
  ])('$title', ({ taken, name }) => {
    const isTaken = (one: string): boolean => taken.includes(one);
    expect(randomName(chance(0, 0, 0.999), isTaken)).toBe(name);
  });

  test.each([0, 0.25, 0.5, 0.999_999])('is two words of letters, also for %d', (number) => {
    expect(randomName(chance(number), () => false)).toMatch(/^[a-z]+_[a-z]+$/);
  });
});
