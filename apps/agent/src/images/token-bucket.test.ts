import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('after a rest so much is there at once, and what is more has to be waited for', () => {
  const bucket = new TokenBucket({ most: 1_000, perSecond: 100 });
  expect(bucket.take(1_000, 0)).toBe(0);
  expect(bucket.take(50, 0)).toBe(500);
  expect(bucket.take(50, 0)).toBe(1_000);
  expect(bucket.take(0, 1_000)).toBe(0);
  expect(bucket.take(1_000, 1_000_000)).toBe(0);
});

test('never more passes than the rate and one rest allow', () => {
  const steps = fc.array(fc.record({ count: fc.nat(500), pauseMs: fc.nat(2_000) }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const bucket = new TokenBucket({ most: 1_000, perSecond: 100 });
      let now = 0;
      let passed = 0;
      for (const { count, pauseMs } of all) {
        now += pauseMs;
        // Whoever waits as told uses the tokens only then.
        now += bucket.take(count, now);
        passed += count;
        expect(passed).toBeLessThanOrEqual(1_000 + now / 10 + 1e-6);
      }
    }),
  );
});
