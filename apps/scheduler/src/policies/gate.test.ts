import type { Instant } from '@shoal/runtime';
import { nodeRemoval, type ServiceSpec } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { textRefreshMs } from '../scheduler.ts';
import { FakeBoard } from '../testing/fake-board.ts';

type Spec = Partial<ServiceSpec>;

function dependent(on: string, more: Record<string, string> = {}): Spec {
  return { Labels: { 'shoal.depends-on': on, ...more } };
}

function board(): FakeBoard {
  const made = new FakeBoard();
  made.node('node1');
  return made;
}

/** What a waiting task of `web` says; its node once it has one. */
function standing(of: FakeBoard, id: string): string {
  const { nodeId, status } = of.schedule().task(id);
  return nodeId === '' ? status.err : nodeId;
}

describe('a dependency to be started', () => {
  it('is waited for still when a node goes on which a task had waited for it', () => {
    const made = board();
    made.node('node2');
    made.service('agent', {}, { Mode: { Global: {} }, ...dependent('db') });
    made.tasks('agent', 1, { slot: 0, nodeId: 'node1' });
    const [left = ''] = made.tasks('agent', 1, { slot: 0, nodeId: 'node2' });
    made.schedule();
    const node = made.state.view.nodes.get('node1');
    if (node === undefined) throw new Error('no node1');
    made.write(nodeRemoval(made.state.view, node, made.now));
    made.restart();
    made.schedule();
    expect(made.task(left).status.state).toBe('pending');
  });

  it('is waited for by name until a task of it runs', () => {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db'));
    const [db = ''] = made.tasks('db', 1);
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
    made.report(db, 'starting');
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
    made.report(db, 'running');
    expect(standing(made, web)).toBe('node1');
  });

  it('is not met by one that is stopped', () => {
    const made = board();
    made.service('db', {}, { Labels: { 'shoal.stopped': 'true' } });
    made.service('web', {}, dependent('db'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (it is stopped)');
  });

  it('is met by a container that is up and not healthy yet', () => {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db'));
    const db = made.placed('db', 'node1', 'starting');
    const [web = ''] = made.tasks('web', 1);
    made.changeTask(db, {
      status: { ...made.task(db).status, container: { id: 'c', pid: 7, exitCode: 0 } },
    });
    expect(standing(made, web)).toBe('node1');
  });

  it('is met by a task that is done', () => {
    const made = board();
    made.service('init');
    made.service('web', {}, dependent('init'));
    const init = made.placed('init', 'node1');
    made.end(init, 'complete');
    made.changeTask(init, { desired: 'shutdown' });
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('node1');
  });

  it('is not met by a task that was told to stop', () => {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db'));
    made.changeTask(made.placed('db', 'node1'), { desired: 'shutdown' });
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
  });

  it.each([
    { what: 'scaled to nothing is met', replicas: 0, says: 'node1' },
    {
      what: 'that is to have tasks and has none is not',
      replicas: 2,
      says: 'waits for db to be started (0 of 2 running)',
    },
  ])('$what', ({ replicas, says }) => {
    const made = board();
    made.service('db', {}, { Mode: { Replicated: { Replicas: replicas } } });
    made.service('web', {}, dependent('db'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe(says);
  });
});

describe('a dependency that is a job', () => {
  it('is started by a task of the run that is on, none of an earlier one', () => {
    const made = board();
    const Mode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };
    made.service('migrate', {}, { Mode });
    made.service('web', {}, dependent('migrate'));
    const service = made.state.view.services.get('migrate');
    const jobStatus = { iteration: 1, revision: 1, lastExecution: made.now };
    if (service !== undefined)
      made.write([{ op: 'update', table: 'service', object: { ...service, jobStatus } }]);
    const earlier = { desired: 'complete', slot: 0, jobIteration: 0 } as const;
    made.placed('migrate', 'node1', 'running', earlier);
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for migrate to be started (0 of 1 running)');
    made.placed('migrate', 'node1', 'running', { ...earlier, jobIteration: 1 });
    expect(standing(made, web)).toBe('node1');
  });
});

describe('a dependency to be healthy', () => {
  it('is waited for until all its tasks run', () => {
    const made = board();
    made.service('db', {}, { Mode: { Replicated: { Replicas: 2 } } });
    made.service('web', {}, dependent('db:healthy'));
    const [first = '', second = ''] = made.tasks('db', 2);
    const [web = ''] = made.tasks('web', 1);
    made.schedule();
    made.report(first, 'running');
    expect(standing(made, web)).toBe('waits for db to be healthy (1 of 2 running)');
    made.report(second, 'running');
    expect(standing(made, web)).toBe('node1');
  });

  it('of every node is waited for on every node', () => {
    const made = board();
    made.node('node2');
    made.service('agent', {}, { Mode: { Global: {} } });
    made.service('web', {}, dependent('agent:healthy'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for agent to be healthy (0 of 1 running)');
    const [one = ''] = made.tasks('agent', 1, { slot: 0, nodeId: 'node1' });
    const [two = ''] = made.tasks('agent', 1, { slot: 0, nodeId: 'node2' });
    made.schedule();
    made.report(one, 'running');
    expect(standing(made, web)).toBe('waits for agent to be healthy (1 of 2 running)');
    made.report(two, 'running');
    expect(made.schedule().task(web).status.state).toBe('assigned');
  });
});

describe('a dependency to be completed', () => {
  it('that is a job is waited for until its run is through', () => {
    const made = board();
    const Mode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 2 } };
    made.service('migrate', {}, { Mode });
    made.service('web', {}, dependent('migrate:completed'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for migrate to be completed (it has not run yet)');
    const service = made.state.view.services.get('migrate');
    const jobStatus = { iteration: 0, revision: 1, lastExecution: made.now };
    if (service !== undefined)
      made.write([{ op: 'update', table: 'service', object: { ...service, jobStatus } }]);
    const run = { desired: 'complete', jobIteration: 0 } as const;
    const [first = ''] = made.tasks('migrate', 1, { ...run, slot: 0 });
    expect(standing(made, web)).toBe('waits for migrate to be completed (0 of 2 complete)');
    made.report(first, 'complete');
    expect(standing(made, web)).toBe('waits for migrate to be completed (1 of 2 complete)');
    const [second = ''] = made.tasks('migrate', 1, { ...run, slot: 1 });
    made.schedule();
    made.report(second, 'complete');
    expect(standing(made, web)).toBe('node1');
  });

  it('that is a service is met by a task that ended well, not by one that failed', () => {
    const made = board();
    made.service('init');
    made.service('web', {}, dependent('init:completed'));
    made.end(made.placed('init', 'node1'), 'failed');
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for init to be completed (0 of 1 complete)');
    made.end(made.placed('init', 'node1'), 'complete');
    expect(standing(made, web)).toBe('node1');
  });

  const waits = 'waits for init to be completed (1 of 2 complete)';
  it.each([
    { what: 'still runs', tasks: ['running'], says: waits },
    { what: 'is done too', tasks: ['complete'], says: 'node1' },
    { what: 'failed for good', tasks: ['failed'], says: waits },
    { what: 'failed and is tried again', tasks: ['failed', 'running'], says: waits },
    { what: 'was not to stay there', tasks: ['shutdown'], says: 'node1' },
    { what: 'failed and was not to stay there', tasks: ['failed', 'shutdown'], says: 'node1' },
  ] as const)('of every node is waited for on every node: one $what', ({ tasks, says }) => {
    const made = board();
    made.node('node2');
    made.service('init', {}, { Mode: { Global: {} } });
    const Placement = { Constraints: ['node.hostname==node1'] };
    made.service('web', { Placement }, dependent('init:completed'));
    made.placed('init', 'node1', 'complete', { slot: 0, desired: 'shutdown' });
    for (const state of tasks) {
      const desired = state === 'running' ? 'running' : 'shutdown';
      made.placed('init', 'node2', state, { slot: 0, desired });
    }
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe(says);
  });
});

describe('names', () => {
  it('of services that do not exist are said, and waited for', () => {
    const made = board();
    made.service('web', {}, dependent('bd'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for bd, but there is no service of that name');
    made.service('bd');
    made.placed('bd', 'node1');
    expect(standing(made, web)).toBe('node1');
  });

  it('mean the service of the same stack first, then any', () => {
    const made = board();
    const stack = { 'com.docker.stack.namespace': 'shop' };
    made.service('db');
    made.service('shop_web', {}, dependent('db', stack));
    const [web = ''] = made.tasks('shop_web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
    made.service('shop_db');
    made.placed('db', 'node1');
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
    made.placed('shop_db', 'node1');
    expect(standing(made, web)).toBe('node1');
  });

  it('are all said that are waited for', () => {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db:healthy,cache'));
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe(
      'waits for db to be healthy (0 of 1 running); for cache, but there is no service of that name',
    );
  });
});

describe('after the first deploy', () => {
  function deployed(more: Record<string, string>): { made: FakeBoard; db: string } {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db', more));
    const db = made.placed('db', 'node1');
    made.tasks('web', 1);
    made.schedule();
    made.end(db);
    return { made, db };
  }

  it('nothing is waited for', () => {
    const { made } = deployed({});
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('node1');
  });

  it('dependencies are waited for again if asked', () => {
    const { made } = deployed({ 'shoal.depends-on.recheck': 'true' });
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
    made.placed('db', 'node1');
    expect(standing(made, web)).toBe('node1');
  });

  it('a task that was called off before it had a node does not count', () => {
    const made = board();
    made.service('db');
    made.service('web', {}, dependent('db'));
    made.tasks('web', 1, { desired: 'shutdown' });
    const [web = ''] = made.tasks('web', 1);
    expect(standing(made, web)).toBe('waits for db to be started (0 of 1 running)');
  });
});

describe('tasks made for one node', () => {
  it('wait as well', () => {
    const made = board();
    made.service('db');
    made.service('agent', {}, { ...dependent('db'), Mode: { Global: {} } });
    const [agent = ''] = made.tasks('agent', 1, { slot: 0, nodeId: 'node1' });
    made.schedule();
    expect(made.task(agent).status).toMatchObject({
      state: 'pending',
      err: 'waits for db to be started (0 of 1 running)',
    });
    made.placed('db', 'node1');
    made.schedule();
    expect(made.task(agent).status).toMatchObject({ state: 'assigned', err: '' });
  });

  it('say each in its time what else they wait for by then', () => {
    const made = board();
    const begun = made.now;
    const waiting = ['first', 'second'].map((id) => {
      made.service(id, {}, { ...dependent('db'), Mode: { Global: {} } });
      const [task = ''] = made.tasks(id, 1, { slot: 0, nodeId: 'node1' });
      made.schedule();
      made.now = (made.now + 700) as Instant;
      return task;
    });
    for (const id of ['first', 'second']) made.relabel(id, dependent('cache').Labels ?? {});
    made.schedule();
    const times = waiting.map((id) => made.task(id).status.at - begun);
    expect(times).toEqual([textRefreshMs, textRefreshMs + 700]);
  });
});

describe('labels that change', () => {
  it('let waiting tasks go', () => {
    const made = board();
    made.service('web', {}, dependent('db'));
    const [web = ''] = made.tasks('web', 1);
    made.schedule();
    made.relabel('web', {});
    expect(standing(made, web)).toBe('node1');
  });
});

describe('circles', () => {
  it('are opened by the service that was created first, which says so', () => {
    const made = board();
    for (const [id, on] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ] as const) {
      made.service(id, {}, dependent(on));
      made.now = (made.now + 1) as Instant;
    }
    const [c = ''] = made.tasks('c', 1);
    const [b = ''] = made.tasks('b', 1);
    const [a = ''] = made.tasks('a', 1);
    expect(standing(made, b)).toBe('waits for c to be started (0 of 1 running)');
    expect(standing(made, c)).toBe('waits for a to be started (0 of 1 running)');
    expect(made.task(a).status.message).toBe(
      'scheduler assigned task to node; did not wait for b: a → b → c → a is a circle',
    );
    made.report(a, 'running');
    made.schedule();
    made.report(c, 'running');
    made.schedule();
    expect(made.task(b).status.state).toBe('assigned');
  });

  it('are opened also when a service closes them that the one to open them does not name', () => {
    const made = board();
    for (const [id, on] of [
      ['a', 'c'],
      ['b', 'missing'],
      ['c', 'b'],
    ] as const) {
      made.service(id, {}, dependent(on));
      made.now = (made.now + 1) as Instant;
    }
    const [a = ''] = made.tasks('a', 1);
    made.tasks('b', 1);
    made.tasks('c', 1);
    expect(standing(made, a)).toBe('waits for c to be started (0 of 1 running)');
    made.relabel('b', { 'shoal.depends-on': 'a' });
    expect(standing(made, a)).toBe('node1');
  });

  it('do not open what is not part of them', () => {
    const made = board();
    made.service('a', {}, dependent('b,d'));
    made.service('b', {}, dependent('a'));
    made.service('d');
    const [a = ''] = made.tasks('a', 1);
    expect(standing(made, a)).toBe('waits for d to be started (0 of 1 running)');
  });
});
