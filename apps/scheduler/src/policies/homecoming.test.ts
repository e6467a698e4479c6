import { invariant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { boardOf, onData, setAvailability, setState, settled } from '../testing/data-board.ts';
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
        unproven: ['fresh'],
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
        expect(row).not.toHaveProperty('unproven');
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
      expect(board.state.view.volumeHomes.of('db', 1)).not.toHaveProperty('unproven');
    }
  });

  it('has no more than before where the task of another was turned away', () => {
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
      volumes: ['data'],
      former: [{ nodeId: 'node2', volumes: ['fresh'] }],
    });
    setAvailability(board, 'node1', 'pause');
    setAvailability(board, 'node2', 'active');
    const [again = ''] = board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(board.task(again).nodeId).toBe('node2');
  });

  it('forgets no place when a revision mounts the volumes of two', () => {
    const { board, next } = movedOn();
    board.report(next, 'running');
    board.end(next);
    const both = onData();
    const mounts = [
      ...both.ContainerSpec.Mounts,
      ...onData({ Source: 'fresh' }).ContainerSpec.Mounts,
    ];
    board.relabel('db', {}, { ContainerSpec: { ...both.ContainerSpec, Mounts: mounts } });
    const [third = ''] = board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(board.task(third).nodeId).toBe('node2');
    board.report(third, 'running');
    board.end(third);
    for (const [revision, node] of [
      [1, 'node1'],
      [2, 'node2'],
    ] as const) {
      const [back = ''] = board.tasks('db', 1, { slot: 1, revision });
      board.schedule();
      expect(board.task(back).nodeId).toBe(node);
      board.report(back, 'running');
      board.end(back);
    }
  });

  it('is where it was when it was told to start elsewhere and was turned away there', () => {
    const { board, task } = settled();
    board.schedule();
    setState(board, 'node1', 'down');
    board.end(task);
    board.relabel('db', { 'shoal.volume-sticky': 'false' });
    const [away = ''] = board.tasks('db', 1, { slot: 1, revision: 2 });
    board.schedule();
    expect(board.task(away).nodeId).toBe('node2');
    board.report(away, 'rejected');
    board.schedule();
    board.relabel('db', {});
    const [back = ''] = board.tasks('db', 1, { slot: 1, revision: 3 });
    board.schedule();
    expect(board.task(back).status.err).toMatch(/^the volume data of slot 1 is on node1/);
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
    const at = (nodeId: string, name: string) => ({ nodeId, volumes: [name] });
    expect(former()).toEqual([at('node1', 'data'), at('node2', 'fresh')]);
    board.report(third, 'running');
    board.schedule();
    expect(former()).toEqual([at('node2', 'fresh')]);
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

describe('a slot whose data is nowhere yet', () => {
  const full =
    'no suitable node (insufficient resources on 1 node): node1 is closest, it lacks 8 CPUs';
  it.each([
    { what: 'says that no node has room', priority: '0', err: full, other: 'running' },
    {
      what: 'has a less important task give way',
      priority: '10',
      err: `tasks of lower priority are stopping on node1 to make room; ${full}`,
      other: 'shutdown',
    },
  ])('$what', ({ priority, err, other }) => {
    const board = boardOf('node1');
    const Resources = { Reservations: { NanoCPUs: 8e9 } };
    board.service('low', { Resources });
    const low = board.placed('low', 'node1');
    const Labels = { 'shoal.priority': priority };
    board.service('db', { ...onData(), Resources }, { Labels });
    const [task = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(task)).toMatchObject({ nodeId: '', status: { err } });
    expect(board.task(low).desired).toBe(other);
  });
});

test('whatever runs, is turned away or is out of reach: a volume is found where its task ran', () => {
  const step = fc.record({
    revision: fc.integer({ min: 1, max: 3 }),
    paused: fc.subarray(['node1', 'node2', 'node3']),
    end: fc.constantFrom('running' as const, 'rejected' as const),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 10 }), (steps) => {
      const board = boardOf('node1', 'node2', 'node3');
      board.service('db', onData({ Source: 'volume1' }));
      for (const Source of ['volume2', 'volume3']) board.relabel('db', {}, onData({ Source }));
      const ran = new Map<number, string>();
      for (const { revision, paused, end } of steps) {
        for (const id of ['node1', 'node2', 'node3'])
          setAvailability(board, id, paused.includes(id) ? 'pause' : 'active');
        const [task = ''] = board.tasks('db', 1, { slot: 1, revision });
        board.schedule();
        const { nodeId, status } = board.task(task);
        const home = ran.get(revision);
        if (nodeId === '') {
          if (home === undefined) expect(status.err).not.toContain('volume data');
          else expect(paused).toContain(home);
          board.changeTask(task, { desired: 'shutdown', status: { ...status, state: 'shutdown' } });
        } else {
          expect(nodeId).toBe(home ?? nodeId);
          board.report(task, end);
          if (end === 'running') {
            ran.set(revision, nodeId);
            board.schedule();
            board.end(task);
          }
        }
        board.schedule();
      }
    }),
  );
});
