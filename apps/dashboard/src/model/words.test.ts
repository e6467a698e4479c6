import { describe, expect, test } from 'vitest';
import { agoText, bytesText, countText, hueOf, imageText, processorsText } from './words.ts';

test.each([
  [0, '0 B'],
  [1_023, '1023 B'],
  [1_024, '1.0 KiB'],
  [1_536, '1.5 KiB'],
  [20 * 1_024 ** 2, '20 MiB'],
  [24 * 1_024 ** 3, '24 GiB'],
  [5_000 * 1_024 ** 4, '5000 TiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [0, '0'],
  [250_000_000, '0.25'],
  [2_000_000_000, '2'],
])('%d nanoprocessors are %s', (nanos, text) => {
  expect(processorsText(nanos)).toBe(text);
});

describe('how long ago', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');

  test.each([
    ['2026-11-23T12:00:10Z', 'just now'],
    ['2026-11-23T11:59:59Z', 'just now'],
    ['2026-11-23T11:59:18.123456789Z', '41 seconds ago'],
    ['2026-11-23T11:58:01Z', '119 seconds ago'],
    ['2026-11-23T11:58:00Z', '2 minutes ago'],
    ['2026-11-23T09:30:00Z', '2 hours ago'],
    ['2026-11-20T11:00:00Z', '3 days ago'],
    ['', 'at some time'],
  ])('%s is %s', (then, text) => {
    expect(agoText(then, now)).toBe(text);
  });
});

test('counts, and images without their digest', () => {
  expect(countText(1, 'task')).toBe('1 task');
  expect(countText(0, 'task')).toBe('0 tasks');
  expect(imageText('nginx:1@sha256:abc')).toBe('nginx:1');
  expect(imageText('@sha256:abc')).toBe('@sha256:abc');
});

test('ids have colours all around the circle, each always the same', () => {
  const ids = Array.from({ length: 200 }, (_, at) => `service${at}`);
  const sixths = new Set(ids.map((id) => Math.floor(hueOf(id) / 60)));
  expect(sixths.size).toBe(6);
  expect(hueOf('web')).toBe(hueOf('web'));
});
