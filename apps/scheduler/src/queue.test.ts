import { expect, it } from 'vitest';
import { Queue } from './queue.ts';
import { FakeBoard } from './testing/fake-board.ts';

it('a task that waits for its node is looked at again alone', () => {
  const board = new FakeBoard();
  board.node('node1');
  board.service('agent', {}, { Mode: { Global: {} } });
  const [one = '', other = ''] = board.tasks('agent', 2, { slot: 0, nodeId: 'node1' });
  const queue = new Queue();
  queue.rebuild(board.state.view, () => true);
  expect([...queue.preassigned(10)].sort()).toEqual([one, other].sort());
  queue.recheckTask(board.task(one));
  expect(queue.preassigned(10)).toEqual([one]);
  board.report(other, 'assigned');
  queue.rebuild(board.state.view, () => true);
  queue.preassigned(10);
  queue.recheckTask(board.task(other));
  queue.recheckTask(undefined);
  expect(queue.hasFreshPreassigned).toBe(false);
});
