import { invariant } from '@shoal/runtime';
import { describe, expect, it } from 'vitest';
import {
  boardOf,
  homes,
  onData,
  setAvailability,
  setState,
  settled,
} from '../testing/data-board.ts';
import { aNode, type FakeBoard } from '../testing/fake-board.ts';

const advice =
  'to let it start elsewhere without the data, set label shoal.volume-sticky=false on the service';

describe('a task with a named local volume', () => {
  it('leaves word where its data is, in the transaction that places it', () => {
    const { board } = settled();
    expect([...board.state.view.volumeHomes.values()]).toMatchObject([
      { id: 'db.1', serviceId: 'db', slot: 1, nodeId: 'node1', volumes: ['data'] },
    ]);
  });

  it('goes back there, though another node has less to do', () => {
    const { board, task } = settled();
    board.service('other');
    for (let at = 0; at < 5; at += 1) board.placed('other', 'node1');
    board.end(task);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(next).nodeId).toBe('node1');
  });

  it('waits while that node is down, says so, and starts when it is back', () => {
    const { board } = settled();
    setState(board, 'node1', 'down');
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(next).status).toMatchObject({
      state: 'pending',
      err: `the volume data of slot 1 is on node1, which is down; ${advice}`,
    });
    setState(board, 'node1', 'ready');
    board.schedule();
    expect(board.task(next).nodeId).toBe('node1');
  });

  it('waits when that node has no room, and when constraints forbid it', () => {
    const { board, task } = settled();
    board.end(task);
    board.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Labels: { disk: 'hdd' } } }));
    const template = { ...onData(), Placement: { Constraints: ['node.labels.disk!=hdd'] } };
    board.relabel('db', {}, template);
    const [next = ''] = board.tasks('db', 1, { slot: 1, revision: 2 });
    board.schedule();
    expect(board.task(next).status.err).toBe(
      `the volume data of slot 1 is on node1, which does not meet node.labels.disk!=hdd; ${advice}`,
    );
  });

  it('says when that node was removed, and waits to be told', () => {
    const { board, task } = settled();
    board.end(task);
    const node = board.state.view.nodes.get('node1') ?? aNode('node1');
    board.write([{ op: 'delete', table: 'node', id: 'node1', version: node.meta.version }]);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(next).status.err).toBe(
      `the volume data of slot 1 was on node node1, which was removed from the swarm; ${advice}`,
    );
  });

  it('starts elsewhere when told, and stays there from then on', () => {
    const { board, task } = settled();
    setState(board, 'node1', 'down');
    board.end(task);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    board.relabel('db', { 'shoal.volume-sticky': 'false' });
    board.schedule();
    expect(board.task(next).nodeId).toBe('node2');
    expect(homes(board)).toEqual({ 'db.1': 'node2' });
    board.relabel('db', {});
    setState(board, 'node1', 'ready');
    board.end(next);
    const [last = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(last).nodeId).toBe('node2');
  });

  it('may be told so by the cluster, and the service may say otherwise', () => {
    for (const [own, node] of [
      [{}, 'node2'],
      [{ 'shoal.volume-sticky': 'true' }, ''],
    ] as const) {
      const { board, task } = settled(own);
      board.cluster({ 'shoal.volume-sticky': 'false' });
      setState(board, 'node1', 'down');
      board.end(task);
      const [next = ''] = board.tasks('db', 1, { slot: 1 });
      board.schedule();
      expect(board.task(next).nodeId).toBe(node);
    }
  });

  it('starts beside the one before it in an update that starts first', () => {
    const { board } = settled();
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(next).nodeId).toBe('node1');
  });

  it('finds its data when the service is scaled down and up again', () => {
    const { board, task } = settled();
    const [second = ''] = board.tasks('db', 1, { slot: 2 });
    board.schedule();
    expect(homes(board)).toEqual({ 'db.1': 'node1', 'db.2': 'node2' });
    for (const id of [task, second]) {
      board.end(id);
      const { version } = board.task(id).meta;
      board.write([{ op: 'delete', table: 'task', id, version }]);
    }
    const [back = ''] = board.tasks('db', 1, { slot: 2 });
    board.schedule();
    expect(board.task(back).nodeId).toBe('node2');
  });

  it('is forgotten with its service', () => {
    const { board } = settled();
    board.removeService('db');
    board.schedule();
    expect(homes(board)).toEqual({});
  });

  it('is forgotten by a scheduler that was not there when the service went', () => {
    const { board } = settled();
    board.removeService('db');
    board.restart();
    board.schedule();
    expect(homes(board)).toEqual({});
  });

  it('does not hold back the other slots', () => {
    const { board } = settled();
    setState(board, 'node1', 'down');
    const [first = ''] = board.tasks('db', 1, { slot: 1 });
    const [second = ''] = board.tasks('db', 1, { slot: 2 });
    board.schedule();
    expect([board.task(first).nodeId, board.task(second).nodeId]).toEqual(['', 'node2']);
  });
});

describe('a home at which no container was made yet', () => {
  function placed(): { board: FakeBoard; task: string } {
    const board = boardOf('node1');
    board.service('db', onData());
    const [task = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    board.node('node2');
    return { board, task };
  }
  const unproven = (board: FakeBoard) => board.state.view.volumeHomes.of('db', 1)?.unproven;
  const pause = (board: FakeBoard) => setAvailability(board, 'node1', 'pause');
  function nextOf(board: FakeBoard): string {
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    return board.task(next).nodeId;
  }

  it.each([
    ['at once', 'rejected'],
    ['after a restart', 'rejected'],
    ['at once', 'shutdown'],
    ['after a restart', 'shutdown'],
  ] as const)('is forgotten when its task ends there without one: %s, %s', (when, end) => {
    const { board, task } = placed();
    board.report(task, end);
    if (when === 'after a restart') board.restart();
    board.schedule();
    expect(homes(board)).toEqual({});
    pause(board);
    expect(nextOf(board)).toBe('node2');
    expect(homes(board)).toEqual({ 'db.1': 'node2' });
  });

  it('holds nobody whose step sees it and the rejection together', () => {
    const { board, task } = placed();
    pause(board);
    board.report(task, 'rejected');
    expect(nextOf(board)).toBe('node2');
    expect(homes(board)).toEqual({ 'db.1': 'node2' });
  });

  it('is the home again when the next task goes there all the same', () => {
    const { board, task } = placed();
    board.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    board.report(task, 'rejected');
    expect(nextOf(board)).toBe('node1');
    expect(homes(board)).toEqual({ 'db.1': 'node1' });
  });

  it('holds the slot while its task may yet begin', () => {
    const { board, task } = placed();
    board.report(task, 'preparing');
    pause(board);
    expect(nextOf(board)).toBe('');
  });

  it('lets those go that waited for it, once its task was turned away', () => {
    const { board, task } = placed();
    board.changeTask(task, { desired: 'shutdown' });
    pause(board);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(board.task(next).nodeId).toBe('');
    board.report(task, 'rejected');
    board.schedule();
    expect(board.task(next).nodeId).toBe('node2');
  });

  it.each(['at once', 'after a restart', 'with a container alone'])(
    'counts for good once a task began: %s',
    (when) => {
      const { board, task } = placed();
      expect(unproven(board)).toEqual(['data']);
      if (when === 'with a container alone') {
        const { status } = board.task(task);
        const container = { id: 'c', pid: 0, exitCode: 0 };
        board.changeTask(task, { status: { ...status, state: 'rejected', container } });
      } else board.report(task, 'running');
      if (when === 'after a restart') board.restart();
      board.schedule();
      expect(unproven(board)).toBeUndefined();
      const { version } = board.task(task).meta;
      board.write([{ op: 'delete', table: 'task', id: task, version }]);
      const [rejected = ''] = board.tasks('db', 1, { slot: 1 });
      board.schedule();
      board.report(rejected, 'rejected');
      pause(board);
      expect(nextOf(board)).toBe('');
    },
  );

  it('counts for good once its task was lost with its node, whoever is turned away after it', () => {
    const { board, task } = placed();
    board.report(task, 'preparing');
    setState(board, 'node1', 'down');
    board.report(task, 'orphaned');
    setState(board, 'node1', 'ready');
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    const { version } = board.task(task).meta;
    board.write([{ op: 'delete', table: 'task', id: task, version }]);
    board.report(next, 'rejected');
    board.schedule();
    expect(homes(board)).toEqual({ 'db.1': 'node1' });
    pause(board);
    expect(nextOf(board)).toBe('');
  });

  it('counts when it was written before there was a difference', () => {
    const { board, task } = placed();
    const known = board.state.view.volumeHomes.of('db', 1);
    invariant(known !== undefined, 'no home');
    const { unproven: _, ...object } = known;
    board.write([{ op: 'update', table: 'volumeHome', object }]);
    board.report(task, 'rejected');
    pause(board);
    expect(nextOf(board)).toBe('');
  });
});

describe('what has no home', () => {
  const config = (Name: string, Options: object = {}) => ({
    VolumeOptions: { DriverConfig: { Name, Options } },
  });

  it.each([
    { what: 'an anonymous volume', template: onData({ Source: '' }) },
    { what: 'a bind mount', template: onData({ Type: 'bind', Source: '/data' }) },
    { what: 'a volume of the network', template: onData(config('local', { type: 'nfs' })) },
    { what: 'a tmpfs volume', template: onData(config('local', { type: 'tmpfs' })) },
  ])('$what', ({ template }) => {
    const board = boardOf('node1');
    board.service('db', template);
    board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(homes(board)).toEqual({});
  });

  it.each([
    { what: 'the local driver by name', template: onData(config('local')) },
    { what: 'a bound folder', template: onData(config('', { type: 'none', o: 'bind' })) },
  ])('unlike $what', ({ template }) => {
    const board = boardOf('node1');
    board.service('db', template);
    board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(homes(board)).toEqual({ 'db.1': 'node1' });
  });

  it('tasks of services that run on every node', () => {
    const board = boardOf('node1');
    board.service('agent', onData(), { Mode: { Global: {} } });
    board.tasks('agent', 1, { slot: 0, nodeId: 'node1' });
    board.schedule();
    expect(homes(board)).toEqual({});
  });
});
