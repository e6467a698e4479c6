import { expect, test } from 'vitest';
import { TimeRange } from './time-range.ts';

const at = (seconds: number) => ({ seconds, nanos: 0 });
const line = (seconds: number) => ({ time: at(seconds) });
const among = (range: TimeRange) => [1, 2, 3, 4, 5].filter((time) => range.has(line(time)));

test('both ends belong to it, and each may be open', () => {
  expect(among(new TimeRange(at(2), at(4)))).toEqual([2, 3, 4]);
  expect(among(new TimeRange(undefined, at(2)))).toEqual([1, 2]);
  expect(among(new TimeRange(at(4), undefined))).toEqual([4, 5]);
  expect(new TimeRange(at(2), at(3)).has({ time: undefined })).toBe(true);
});

test('is open once its beginning has passed, as long as it has no end', () => {
  expect(new TimeRange(undefined, undefined).isOpen).toBe(true);
  const range = new TimeRange(at(3), undefined);
  range.came(undefined);
  range.came(line(2));
  expect(range.isOpen).toBe(false);
  range.came(line(3));
  expect(range.isOpen).toBe(true);
  range.endAt(at(4));
  expect([range.isOpen, among(range)]).toEqual([false, [3, 4]]);
});
