import { expect, test } from 'vitest';
import { unknownLabels } from './known.ts';

test.each([
  ['shoal.dependson', '; did you mean shoal.depends-on?'],
  ['shoal.drain.paralelism', '; did you mean shoal.drain.parallelism?'],
  ['shoal.croon', '; did you mean shoal.cron?'],
  ['shoal.nope-nothing-like-it', ''],
  [`shoal.${'x'.repeat(10_000)}`, ''],
])('%.40s is none of ours', (name, advice) => {
  expect(unknownLabels({ [name]: '1', other: '2' }, 'service')).toEqual([
    `label ${name} is not known and does nothing${advice}`,
  ]);
});

test('labels of ours, of other programs and of people are left alone', () => {
  const labels = { 'shoal.cron': '@daily', 'shoal.rank': 'x', 'shoally.a': '', 'com.docker.x': '' };
  expect(unknownLabels(labels, 'service')).toEqual([]);
});

test('a slip in a label of containers is told from one that is at the wrong place', () => {
  const labels = { 'shoal.privilege': 'true', 'shoal.cron': '@daily', 'shoal.shm-size': '1g' };
  expect(unknownLabels(labels, 'container')).toEqual([
    'label shoal.privilege is not known and does nothing; did you mean shoal.privileged?',
    'label shoal.cron does nothing on a container: give it to the service, with --label',
  ]);
  expect(unknownLabels({ 'shoal.shm-size': '1g' }, 'service')).toEqual([
    'label shoal.shm-size does nothing on a service: give it to the container, with --container-label',
  ]);
});
