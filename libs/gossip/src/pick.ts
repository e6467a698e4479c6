import type { Random } from '@shoal/runtime';

/** Up to `count` different items, chosen by chance. */
export function pickSome<T>(items: readonly T[], count: number, random: Random): readonly T[] {
  const left = [...items];
  const picked = Math.min(count, left.length);
  for (let at = 0; at < picked; at += 1) {
    const other = at + Math.floor(random.next() * (left.length - at));
    const a = left[at];
    const b = left[other];
    if (a !== undefined && b !== undefined) [left[at], left[other]] = [b, a];
  }
  return left.slice(0, picked);
}
