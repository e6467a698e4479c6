import { expect, test } from 'vitest';
import { PullProgress } from './pull-progress.ts';

test('layers and bytes are summed up, however the lines are cut', () => {
  const text = [
    { status: 'Pulling from library/busybox', id: 'latest' },
    { status: 'Pulling fs layer', id: 'a' },
    { status: 'Already exists', id: 'b' },
    { status: 'Downloading', id: 'a', progressDetail: { current: 1_500_000, total: 4_000_000 } },
  ]
    .map((line) => `${JSON.stringify(line)}\r\n`)
    .join('');
  const progress = new PullProgress();
  for (let at = 0; at < text.length; at += 7) progress.push(text.slice(at, at + 7));
  expect(progress.summary).toBe('1 of 2 layers, 1.5 of 4.0 MB');
  expect(progress.error).toBeUndefined();
});

test('an error at the end is kept, noise is not', () => {
  const progress = new PullProgress();
  progress.push('not json\n{"error":"manifest unknown"}');
  progress.end();
  expect(progress.error).toBe('manifest unknown');
});
