import { describe, expect, it } from 'vitest';
import { failuresThatMakeSuspect, failureWindowMs } from './failures.ts';
import { placementsPerStepMax } from './scheduler.ts';
import { FakeBoard } from './testing/fake-board.ts';

function boardOf(nodes: number): FakeBoard {
  const board = new FakeBoard();
  for (let at = 1; at <= nodes; at += 1) board.node(`node${at}`);
  return board;
}

function sorted(counts: Record<string, number>): number[] {
  return Object.values(counts).sort((a, b) => a - b);
}

describe('placement', () => {
  it('assigns with the text that users know', () => {
    const board = boardOf(1);
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id)).toMatchObject({
      nodeId: 'node1',
      status: {
        state: 'assigned',
        at: board.now,
        message: 'scheduler assigned task to node',
        err: '',
      },
    });
  });

  it('spreads a service evenly, then evens out the load of all', () => {
    const board = boardOf(5);
    board.service('one');
    board.tasks('one', 18);
    board.schedule();
    expect(sorted(board.counts('one'))).toEqual([3, 3, 4, 4, 4]);
    board.service('two');
    board.tasks('two', 2);
    board.schedule();
    expect(sorted(board.counts())).toEqual([4, 4, 4, 4, 4]);
    board.tasks('one', 3);
    board.schedule();
    expect(sorted(board.counts('one'))).toEqual([4, 4, 4, 4, 5]);
  });

  it('sends tasks to the node that has fewest of the service, whatever its load', () => {
    const board = boardOf(2);
    board.service('other');
    for (let at = 0; at < 10; at += 1) board.placed('other', 'node1');
    board.service('web');
    board.placed('web', 'node2');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('does not count tasks that were told to stop', () => {
    const board = boardOf(2);
    board.service('web');
    board.tasks('web', 3, {
      nodeId: 'node1',
      desired: 'shutdown',
      status: { state: 'running', at: board.now, message: '', err: '' },
    });
    board.placed('web', 'node2');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('gives equal tasks of different services to different nodes', () => {
    const board = boardOf(20);
    for (let at = 0; at < 20; at += 1) {
      board.service(`service${at}`);
      board.tasks(`service${at}`, 1);
    }
    board.schedule();
    expect(sorted(board.counts())).toEqual(Array.from({ length: 20 }, () => 1));
  });

  it('gives a thousand services of one task a node each of a thousand', () => {
    const board = boardOf(1_000);
    for (let at = 0; at < 1_000; at += 1) {
      board.service(`service${at}`);
      board.tasks(`service${at}`, 1);
    }
    board.schedule();
    expect(sorted(board.counts())[0]).toBe(1);
  });
});

describe('spread preferences', () => {
  const zones = [{ Spread: { SpreadDescriptor: 'node.labels.az' } }];

  it('fill zones evenly, then the nodes within', () => {
    const board = new FakeBoard();
    board.node('a', { labels: { az: 'az1' } });
    for (const id of ['b', 'c', 'd', 'e']) board.node(id, { labels: { az: 'az2' } });
    board.service('web', { Placement: { Preferences: zones } });
    board.tasks('web', 8);
    board.schedule();
    expect(board.counts()).toEqual({ a: 4, b: 1, c: 1, d: 1, e: 1 });
  });

  it('fill the rest when one zone is full', () => {
    const board = new FakeBoard();
    board.node('a', { labels: { az: 'az1', rack: 'r1' }, cpus: 5 });
    board.node('b', { labels: { az: 'az2', rack: 'r1' }, cpus: 100 });
    board.node('c', { labels: { az: 'az2', rack: 'r2' }, cpus: 100 });
    board.service('web', {
      Placement: {
        Preferences: [...zones, { Spread: { SpreadDescriptor: 'node.labels.rack' } }],
      },
      Resources: { Reservations: { NanoCPUs: 1e9 } },
    });
    board.tasks('web', 12);
    board.schedule();
    expect(sorted(board.counts())).toEqual([3, 4, 5]);
    expect(board.counts()['a']).toBe(5);
  });
});

describe('a node on which tasks keep failing', () => {
  function failing(times: number): FakeBoard {
    const board = boardOf(1);
    board.service('web');
    for (let at = 0; at < times; at += 1) board.end(board.placed('web', 'node1'));
    board.node('node2');
    board.service('other');
    for (let at = 0; at < 5; at += 1) board.placed('other', 'node2');
    return board;
  }

  it.each([
    { times: failuresThatMakeSuspect - 1, node: 'node1' },
    { times: failuresThatMakeSuspect, node: 'node2' },
  ])('after $times failures gives $node', ({ times, node }) => {
    const board = failing(times);
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe(node);
  });

  it('is trusted again after a while', () => {
    const board = failing(failuresThatMakeSuspect);
    board.now = (board.now + failureWindowMs) as typeof board.now;
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });
});

describe('tasks without a node', () => {
  it('say that there is no node at all, and get one when it comes', () => {
    const board = new FakeBoard();
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status).toMatchObject({ state: 'pending', err: 'no suitable node' });
    board.node('node1');
    board.schedule();
    expect(board.task(id).status).toMatchObject({ state: 'assigned', err: '' });
  });

  it('say what each node lacks, the most frequent first', () => {
    const board = boardOf(3);
    for (const id of ['node1', 'node2'])
      board.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability: 'drain' } }));
    board.service('web', { Resources: { Reservations: { NanoCPUs: 9e9 } } });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status.err).toBe(
      'no suitable node (2 nodes not available for new tasks; insufficient resources on 1 node): node3 is closest, it lacks 1 CPU',
    );
    board.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    board.schedule();
    expect(board.task(id).status.err).toBe(
      'no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks): node1 is closest, it lacks 1 CPU',
    );
  });

  it('write the text once, and not again while it stays the same', () => {
    const board = boardOf(1);
    board.service('web', { Placement: { Constraints: ['node.role==manager'] } });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    const { version } = board.task(id).meta;
    board.service('other');
    board.placed('other', 'node1');
    board.schedule();
    expect(board.task(id).meta.version).toBe(version);
  });

  it('are placed as soon as another task frees what they need', () => {
    const board = boardOf(1);
    board.service('web', { Resources: { Reservations: { MemoryBytes: 10e9 } } });
    const first = board.placed('web', 'node1');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status.err).toMatch(
      /^no suitable node \(insufficient resources on 1 node\)/,
    );
    board.end(first);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('are placed when the task that was to get their node is gone before it did', () => {
    const board = boardOf(1);
    for (const id of ['a', 'b'])
      board.service(id, { Resources: { Reservations: { NanoCPUs: 8e9 } } });
    const [first = ''] = board.tasks('a', 1);
    const [second = ''] = board.tasks('b', 1);
    board.meanwhile = () => {
      const { version } = board.task(first).meta;
      board.write([{ op: 'delete', table: 'task', id: first, version }]);
    };
    board.schedule();
    expect(board.refusals.map(({ kind }) => kind)).toEqual(['not-found']);
    expect(board.task(second).nodeId).toBe('node1');
  });

  it('as many are placed as fit, the rest wait', () => {
    const board = boardOf(2);
    board.service('web', {}, { EndpointSpec: { Ports: [aHostPort] } });
    const ids = board.tasks('web', 3);
    board.schedule();
    const waiting = ids.map((id) => board.task(id)).filter(({ nodeId }) => nodeId === '');
    expect(waiting.map(({ status }) => status.err)).toEqual([
      'no suitable node (host-mode port already in use on 2 nodes): node1 is closest, it has port 8080/tcp taken',
    ]);
    expect(board.refusals).toEqual([]);
  });
});

const aHostPort = {
  Protocol: 'tcp',
  TargetPort: 80,
  PublishedPort: 8080,
  PublishMode: 'host',
} as const;

describe('tasks that were called off', () => {
  it.each(['shutdown', 'remove'] as const)('with desired %s get no node', (desired) => {
    const board = boardOf(1);
    board.service('web');
    const [id = ''] = board.tasks('web', 1, { desired });
    board.schedule();
    expect(board.task(id).nodeId).toBe('');
    expect(board.task(id).status.state).toBe(desired === 'shutdown' ? 'shutdown' : 'pending');
  });
});

describe('tasks whose node was chosen at their creation', () => {
  it('are confirmed there', () => {
    const board = boardOf(2);
    board.service('agent');
    const [id = ''] = board.tasks('agent', 1, { slot: 0, nodeId: 'node2' });
    board.schedule();
    expect(board.task(id)).toMatchObject({
      nodeId: 'node2',
      status: {
        state: 'assigned',
        message: 'scheduler confirmed task can run on preassigned node',
      },
    });
  });

  it('wait, with the bare reason, until their node is fit', () => {
    const board = boardOf(2);
    board.service('agent', { Resources: { Reservations: { NanoCPUs: 9e9 } } });
    const [id = ''] = board.tasks('agent', 1, { slot: 0, nodeId: 'node2' });
    board.schedule();
    expect(board.task(id).status).toMatchObject({
      state: 'pending',
      err: 'insufficient resources on 1 node: node2 lacks 1 CPU',
    });
    board.changeNode('node2', ({ description }) => ({
      description: description && { ...description, Resources: { NanoCPUs: 10e9 } },
    }));
    board.schedule();
    expect(board.task(id).status.state).toBe('assigned');
  });

  it.each([0, 1])(
    'are all looked at by a scheduler that starts, %i more than a step places',
    (more) => {
      const count = placementsPerStepMax + more;
      const board = boardOf(count);
      const template = { Resources: { Reservations: { NanoCPUs: 5e9 } } };
      board.service('filler', template);
      board.service('agent', template);
      const nodes = Array.from({ length: count }, (_, at) => `node${at + 1}`);
      const fillers = nodes.map((nodeId) => board.placed('filler', nodeId));
      const ids = nodes.flatMap((nodeId) => board.tasks('agent', 1, { slot: 0, nodeId }));
      board.schedule();
      board.end(fillers.at(-1) ?? '');
      board.restart();
      board.schedule();
      expect(ids.filter((id) => board.task(id).status.state === 'assigned')).toEqual(ids.slice(-1));
    },
  );

  it('come before others', () => {
    const board = boardOf(1);
    board.service('web', { Resources: { Reservations: { NanoCPUs: 8e9 } } });
    board.service('zzz', { Resources: { Reservations: { NanoCPUs: 8e9 } } });
    const [free = ''] = board.tasks('web', 1);
    const [fixed = ''] = board.tasks('zzz', 1, { slot: 0, nodeId: 'node1' });
    board.schedule();
    expect(board.task(fixed).status.state).toBe('assigned');
    expect(board.task(free).status.state).toBe('pending');
  });
});

describe('ownership', () => {
  it('leaves the services of others alone', () => {
    const board = boardOf(1);
    board.service('web');
    board.tasks('web', 1);
    const everything = { everything: true, changes: [], due: new Set<string>() };
    const { view } = board.state;
    const scheduler = board.fresh();
    expect([...scheduler.step(view, everything, board.now, () => false)]).toEqual([]);
  });
});
