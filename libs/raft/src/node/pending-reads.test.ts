import { type LogIndex, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { failure } from './outcomes.ts';
import { PendingReads } from './pending-reads.ts';

const unconfirmed = failure('no-leader', 'nobody leads');

test('all who ask while a round is under way share the next one', async () => {
  const reads = new PendingReads(systemRandom);
  const first = reads.add();
  const token = reads.nextRound() ?? 0;
  const second = reads.add();
  expect(reads.nextRound()).toBeUndefined();
  reads.answered({ kind: 'confirmed', token, index: 7 as LogIndex }, unconfirmed);
  expect(await first).toEqual({ kind: 'read', index: 7 });
  expect(reads.nextRound()).toBe(token + 1);
  reads.answered({ kind: 'failed', token: token + 1 }, unconfirmed);
  expect(await second).toEqual(unconfirmed);
});

test('a late answer to what was asked before a restart answers nothing', () => {
  const before = new PendingReads(systemRandom);
  void before.add();
  const token = before.nextRound() ?? 0;
  const after = new PendingReads(systemRandom);
  void after.add();
  const asked = after.nextRound() ?? 0;
  expect(asked).not.toBe(token);
  after.answered({ kind: 'confirmed', token, index: 3 as LogIndex }, unconfirmed);
  expect(after.count).toBe(1);
  after.answered({ kind: 'confirmed', token: asked, index: 5 as LogIndex }, unconfirmed);
  expect(after.count).toBe(0);
});
