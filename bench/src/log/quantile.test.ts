import { expect, it } from 'vitest';
import { quantile } from './quantile.ts';

const hundred = Array.from({ length: 100 }, (_, at) => at + 1);

it('gives the value that so many do not exceed', () => {
  expect(quantile(hundred, 0.5)).toBe(50);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile(hundred, 1)).toBe(100);
  expect(quantile([1, 2, 3], 0.5)).toBe(2);
  expect(quantile([7], 0.99)).toBe(7);
});

it('knows none of nothing', () => {
  expect(quantile([], 0.5)).toBeNaN();
});
