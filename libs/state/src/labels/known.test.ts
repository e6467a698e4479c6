import { expect, test } from 'vitest';
import { unknownLabels } from './known.ts';

test.each([
  ['shoal.dependson', '; did you mean shoal.depends-on?'],
  ['shoal.drain.paralelism', '; did you mean shoal.drain.parallelism?'],
  ['shoal.croon', '; did you mean shoal.cron?'],
  ['shoal.nope-nothing-like-it', ''],
  [`shoal.${'x'.repeat(10_000)}`, ''],
])('%.40s is none of ours', (name, advice) => {
  expect(unknownLabels({ [name]: '1', other: '2' })).toEqual([
    `label ${name} is not known and does nothing${advice}`,
  ]);
});

test('labels of ours, of other programs and of people are left alone', () => {
  const labels = { 'shoal.cron': '@daily', 'shoal.rank': 'x', 'shoally.a': '', 'com.docker.x': '' };
  expect(unknownLabels(labels)).toEqual([]);
});
