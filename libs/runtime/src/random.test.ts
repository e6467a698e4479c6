import { expect, test } from 'vitest';
import { systemRandom } from './random.ts';

test('bytes are as many as asked for, and never the same again', () => {
  const seen = new Set<string>();
  for (let at = 0; at < 1_000; at += 1) {
    const bytes = systemRandom.bytes(17);
    expect(bytes).toHaveLength(17);
    seen.add(Buffer.from(bytes).toString('hex'));
  }
  expect(seen.size).toBe(1_000);
  for (const count of [0, 1, 256, 257, 10_000])
    expect(systemRandom.bytes(count)).toHaveLength(count);
});

test('what was handed out does not change', () => {
  const first = systemRandom.bytes(32);
  const copy = Buffer.from(first).toString('hex');
  for (let at = 0; at < 500; at += 1) systemRandom.bytes(32);
  expect(Buffer.from(first).toString('hex')).toBe(copy);
});

test('numbers are spread over all of [0, 1)', () => {
  const tenths = new Set<number>();
  let sum = 0;
  for (let at = 0; at < 2_000; at += 1) {
    const value = systemRandom.next();
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(1);
    tenths.add(Math.floor(value * 10));
    sum += value;
  }
  expect(tenths.size).toBe(10);
  expect(sum / 2_000).toBeGreaterThan(0.4);
  expect(sum / 2_000).toBeLessThan(0.6);
});
