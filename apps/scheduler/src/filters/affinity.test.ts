import { describe, expect, it } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';

function boardOf(...nodes: readonly string[]): FakeBoard {
  const board = new FakeBoard();
  for (const id of nodes) board.node(id);
  return board;
}

describe('hard anti-affinity', () => {
  it('to itself is one task per node; the rest wait and say why', () => {
    const board = boardOf('a', 'b');
    board.service('web', {}, { Labels: { 'shoal.anti-affinity': 'self:hard' } });
    const ids = board.tasks('web', 3);
    board.schedule();
    expect(board.counts()).toEqual({ a: 1, b: 1 });
    const [waiting] = ids.map((id) => board.task(id)).filter(({ nodeId }) => nodeId === '');
    expect(waiting?.status.err).toBe(
      'no suitable node (affinity to services not satisfied on 2 nodes): a is closest, it has a task of web',
    );
    board.node('c');
    expect(board.schedule().counts()).toEqual({ a: 1, b: 1, c: 1 });
  });

  it('keeps away from the other service', () => {
    const board = boardOf('a', 'b');
    board.service('db');
    board.placed('db', 'a');
    board.service('web', {}, { Labels: { 'shoal.anti-affinity': 'db:hard' } });
    board.tasks('web', 3);
    expect(board.schedule().counts('web')).toEqual({ a: 0, b: 3 });
  });

  it('holds both ways, also for a service that says nothing', () => {
    const board = boardOf('a', 'b');
    board.service('db', {}, { Labels: { 'shoal.anti-affinity': 'web:hard' } });
    board.placed('db', 'a');
    board.service('web');
    board.tasks('web', 3);
    expect(board.schedule().counts('web')).toEqual({ a: 0, b: 3 });
  });

  it('holds within one step, whichever of the two is placed first', () => {
    const board = boardOf('a');
    board.service('db', {}, { Labels: { 'shoal.anti-affinity': 'web:hard' } });
    board.service('web');
    board.tasks('web', 1);
    board.tasks('db', 1);
    board.schedule();
    expect(board.counts()).toEqual({ a: 1 });
  });

  it('means the service of the same stack, not one of that name elsewhere', () => {
    const board = boardOf('a', 'b');
    board.service('db');
    board.service('shop_db');
    board.placed('db', 'a');
    board.placed('shop_db', 'b');
    const labels = { 'com.docker.stack.namespace': 'shop', 'shoal.anti-affinity': 'db:hard' };
    board.service('shop_web', {}, { Labels: labels });
    board.tasks('shop_web', 2);
    expect(board.schedule().counts('shop_web')).toEqual({ a: 2, b: 0 });
  });

  it('lets waiting tasks go when the label does, on either side', () => {
    for (const side of ['web', 'db'] as const) {
      const board = boardOf('a');
      const labels = { 'shoal.anti-affinity': side === 'web' ? 'db:hard' : 'web:hard' };
      board.service('db', {}, { Labels: side === 'db' ? labels : {} });
      board.service('web', {}, { Labels: side === 'web' ? labels : {} });
      board.placed('db', 'a');
      const [id = ''] = board.tasks('web', 1);
      board.schedule();
      expect(board.task(id).nodeId).toBe('');
      board.relabel(side, {});
      board.schedule();
      expect(board.task(id).nodeId).toBe('a');
    }
  });
});

describe('the services that a node is avoided for', () => {
  it('are said in the same order, whichever said it first', () => {
    const board = boardOf('a');
    const away = { 'shoal.anti-affinity': 'web:hard' };
    for (const id of ['cache', 'db']) {
      board.service(id, {}, { Labels: id === 'db' ? away : {} });
      board.placed(id, 'a');
    }
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    board.relabel('cache', away);
    board.schedule();
    expect(board.task(id).status.err).toContain('it has a task of cache and has a task of db');
  });
});

describe('hard affinity', () => {
  it('waits for a node with a task of the service, and takes it when there is one', () => {
    const board = boardOf('a', 'b');
    board.service('web', {}, { Labels: { 'shoal.affinity': 'cache:hard' } });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status.err).toBe(
      'no suitable node (affinity to services not satisfied on 2 nodes): a is closest, it has no task of cache',
    );
    board.service('cache');
    board.placed('cache', 'b');
    board.schedule();
    expect(board.task(id).nodeId).toBe('b');
  });

  it('follows a task that is placed in the same step', () => {
    const board = boardOf('a', 'b', 'c');
    board.service('cache');
    board.service('web', {}, { Labels: { 'shoal.affinity': 'cache:hard' } });
    const [web = ''] = board.tasks('web', 1);
    const [cache = ''] = board.tasks('cache', 1);
    board.schedule();
    expect(board.task(web).nodeId).toBe(board.task(cache).nodeId);
  });
});
