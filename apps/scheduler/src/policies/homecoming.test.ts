import { invariant } from '@shoal/runtime';
import { describe, expect, it } from 'vitest';
import { onData, setAvailability, setState, settled } from '../testing/data-board.ts';
import type { FakeBoard } from '../testing/fake-board.ts';

/** Its update mounts another volume and went to node2, because node1 was paused; that is over. */
function movedOn(): { board: FakeBoard; next: string } {
  const { board, task } = settled();
  board.schedule();
  setAvailability(board, 'node1', 'pause');
  board.end(task);
  board.relabel('db', {}, onData({ Source: 'fresh' }));
  const [next = ''] = board.tasks('db', 1, { slot: 1, revision: 2 });
  board.schedule();
  setAvailability(board, 'node1', 'active');
  return { board, next };
}

describe('a slot whose task mounts other volumes than before', () => {
  it('may go elsewhere while the data of the old ones is out of reach', () => {
    const { board, task } = settled();
    board.schedule();
    setState(board, 'node1', 'down');
    board.end(task);
    board.relabel('db', {}, onData({ Source: 'fresh' }));
    const [next = ''] = board.tasks('db', 1, { slot: 1, revision: 2 });
    board.schedule();
    expect(board.task(next).nodeId).toBe('node2');
    expect([...board.state.view.volumeHomes.values()]).toMatchObject([
      {
        nodeId: 'node2',
        volumes: ['fresh'],
        tentative: true,
        former: [{ nodeId: 'node1', volumes: ['data'] }],
      },
    ]);
  });

  it.each(['running', 'rejected'] as const)(
    'goes back to the old ones in a rollback, once the new one was %s elsewhere',
    (state) => {
      const { board, next } = movedOn();
      expect(board.task(next).nodeId).toBe('node2');
      board.report(next, state);
      board.schedule();
      const row = board.state.view.volumeHomes.of('db', 1);
      if (state === 'rejected') {
        expect(row).toMatchObject({ nodeId: 'node1', volumes: ['data'] });
        expect(row).not.toHaveProperty('tentative');
        expect(row).not.toHaveProperty('former');
      } else board.end(next);
      setAvailability(board, 'node1', 'pause');
      const [back = ''] = board.tasks('db', 1, { slot: 1 });
      board.schedule();
      expect(board.task(back).status.err).toMatch(/^the volume data of slot 1 is on node1/);
      setAvailability(board, 'node1', 'active');
      board.schedule();
      expect(board.task(back).nodeId).toBe('node1');
      const former = [{ nodeId: 'node2', volumes: ['fresh'] }];
      expect(board.state.view.volumeHomes.of('db', 1)).toMatchObject({
        nodeId: 'node1',
        volumes: ['data'],
        ...(state === 'running' && { former }),
      });
    },
  );

  it('finds each where it is, however often it goes back and forth', () => {
    const { board, next } = movedOn();
    let last = next;
    for (const [revision, node] of [
      [1, 'node1'],
      [2, 'node2'],
      [1, 'node1'],
    ] as const) {
      board.report(last, 'running');
      board.end(last);
      last = board.tasks('db', 1, { slot: 1, revision })[0] ?? '';
      board.schedule();
      expect(board.task(last).nodeId).toBe(node);
      expect(board.state.view.volumeHomes.of('db', 1)).not.toHaveProperty('tentative');
    }
  });

  it('has the data of both where they met, though the task was turned away', () => {
    const { board, next } = movedOn();
    board.report(next, 'running');
    board.end(next);
    board.relabel('db', {}, onData({ Source: 'third' }));
    setAvailability(board, 'node2', 'pause');
    const [third = ''] = board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(board.task(third).nodeId).toBe('node1');
    board.report(third, 'rejected');
    board.schedule();
    expect(board.state.view.volumeHomes.of('db', 1)).toMatchObject({
      nodeId: 'node1',
      volumes: ['third', 'data'],
      former: [{ nodeId: 'node2', volumes: ['fresh'] }],
    });
  });

  it('forgets what no revision mounts any more, and what is given up', () => {
    const { board, next } = movedOn();
    const former = () => board.state.view.volumeHomes.of('db', 1)?.former;
    board.report(next, 'running');
    board.relabel('db', { 'shoal.volume-sticky': 'false' }, onData());
    board.node('node3');
    for (const id of ['node1', 'node2']) setAvailability(board, id, 'pause');
    board.end(next);
    const [third = ''] = board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(board.task(third).nodeId).toBe('node3');
    expect(former()).toEqual([{ nodeId: 'node2', volumes: ['fresh'] }]);
    const old = board.state.view.revisions.of('db', 2);
    invariant(old !== undefined, 'no revision');
    board.changeTask(next, { desired: 'remove' });
    board.write([
      { op: 'delete', table: 'task', id: next, version: board.task(next).meta.version },
      { op: 'delete', table: 'revision', id: old.id, version: old.meta.version },
    ]);
    board.end(third);
    board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(former()).toBeUndefined();
  });

  it('stays where it is if it can, so that a rollback finds its data', () => {
    const { board, task } = settled();
    board.schedule();
    board.service('other');
    for (let at = 0; at < 5; at += 1) board.placed('other', 'node1');
    board.end(task);
    board.relabel('db', {}, onData({ Source: 'fresh' }));
    const [next = '', mate = ''] = board.tasks('db', 2, { slot: 1, revision: 2 });
    board.schedule();
    expect([board.task(next).nodeId, board.task(mate).nodeId]).toEqual(['node1', 'node1']);
    board.end(next);
    setState(board, 'node1', 'down');
    const [back = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(back).status.err).toMatch(/^the volume data of slot 1 is on node1/);
  });
});
