import { expect, test } from 'vitest';
import { Causes, causesMax, otherCause } from './causes.ts';

test.each([
  ['fewer tasks than replicas', 'fewer tasks than replicas'],
  ['rebalance: move to a node with fewer tasks', 'rebalance: move to a node with fewer tasks'],
  ['makes room for task web.1', 'makes room for task …'],
  ['scheduler assigned task to node; dependency db is healthy', 'scheduler assigned task to node'],
  ['no suitable node (2 nodes not available)', 'no suitable node'],
  [
    'update paused due to failure or early termination of task w7hmsq3c9u2s7k5dtd0x5q1ab',
    'update paused due to failure or early termination of task …',
  ],
  ['', ''],
])('a reason is counted by what it says of any task: %s', (reason, cause) => {
  expect(new Causes().of(reason)).toBe(cause);
});

test('only so many causes are told apart', () => {
  const causes = new Causes();
  const word = (at: number) => 'a'.repeat(at + 1);
  for (let at = 0; at < causesMax; at += 1) expect(causes.of(word(at))).toBe(word(at));
  expect(causes.of(word(causesMax))).toBe(otherCause);
  expect(causes.of(word(0))).toBe(word(0));
});
