import { describe, expect, it } from 'vitest';
import { aNode, FakeBoard } from '../testing/fake-board.ts';

const onData = (more: object = {}) => ({
  ContainerSpec: {
    Image: 'postgres',
    Mounts: [{ Type: 'volume' as const, Source: 'data', Target: '/data', ...more }],
  },
});

function boardOf(...nodes: readonly string[]): FakeBoard {
  const board = new FakeBoard();
  for (const id of nodes) board.node(id);
  return board;
}

/** A service whose slot 1 runs on node1, with its data. */
function settled(labels: Record<string, string> = {}): { board: FakeBoard; task: string } {
  const board = boardOf('node1');
  board.service('db', onData(), { Labels: labels });
  const [task = ''] = board.tasks('db', 1, { slot: 1 });
  board.schedule();
  board.report(task, 'running');
  board.node('node2');
  return { board, task };
}

function homes(board: FakeBoard): object {
  const { volumeHomes } = board.state.view;
  return Object.fromEntries(Array.from(volumeHomes.values(), ({ id, nodeId }) => [id, nodeId]));
}

function setState(board: FakeBoard, id: string, state: 'ready' | 'down'): void {
  board.changeNode(id, ({ status }) => ({ status: { ...status, state } }));
}

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
