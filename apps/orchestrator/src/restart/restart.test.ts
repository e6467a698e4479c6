import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, nanoseconds, type SpecParts, second } from '../testing/objects.ts';

function running(parts: SpecParts = {}, nodes = 2): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(nodes);
  swarm.create('web', { replicas: 1, ...parts });
  swarm.runUntil('running', () => swarm.running('web').length === (parts.replicas ?? 1));
  return swarm;
}

function only(swarm: FakeSwarm) {
  const [task] = swarm.running('web');
  if (task === undefined) throw new Error('nothing runs');
  return task;
}

const policy = (restart: object): SpecParts => ({ template: { RestartPolicy: restart } });

describe('a task that ends', () => {
  it('is replaced at once by one that starts after the default delay of 5 s', () => {
    const swarm = running();
    const old = only(swarm);
    swarm.end(old);
    const endedAt = swarm.now;
    swarm.settle();
    expect(swarm.task(old.id).desired).toBe('shutdown');
    const [replacement] = swarm.live('web');
    expect(replacement).toMatchObject({ slot: old.slot, desired: 'ready' });
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - endedAt).toBe(5 * second);
    swarm.runUntil('running', () => swarm.running('web').length === 1, 2 * second);
    expect(swarm.refusals).toEqual([]);
  });

  it('waits for the delay its policy names', () => {
    const swarm = running(policy({ Delay: 1_500 * nanoseconds }));
    swarm.end(only(swarm));
    const endedAt = swarm.now;
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - endedAt).toBe(1_500);
  });

  it('goes on after a kill of the orchestrator in the middle of the delay', () => {
    const swarm = running();
    swarm.end(only(swarm));
    const endedAt = swarm.now;
    swarm.run(3 * second);
    swarm.stages[0]?.restart();
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - endedAt).toBe(5 * second);
  });

  it.each([
    { condition: 'any', end: 'complete', replaced: true },
    { condition: 'any', end: 'failed', replaced: true },
    { condition: 'on-failure', end: 'complete', replaced: false },
    { condition: 'on-failure', end: 'failed', replaced: true },
    { condition: 'on-failure', end: 'rejected', replaced: true },
    { condition: 'none', end: 'complete', replaced: false },
    { condition: 'none', end: 'failed', replaced: false },
  ] as const)('$end under condition $condition: replaced $replaced', (row) => {
    const swarm = running(policy({ Condition: row.condition, Delay: 0 }));
    const old = only(swarm);
    swarm.end(old, row.end);
    swarm.run(5 * second);
    expect(swarm.task(old.id).desired).toBe('shutdown');
    expect(swarm.running('web')).toHaveLength(row.replaced ? 1 : 0);
  });

  it('under condition none is made again only when the task changes', () => {
    const swarm = running(policy({ Condition: 'none' }));
    swarm.end(only(swarm), 'complete');
    swarm.run(second);
    swarm.update('web', (spec) => ({ ...spec, Labels: { a: '1' } }));
    swarm.run(10 * second);
    expect(swarm.running('web')).toHaveLength(0);
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('replaced', () => swarm.running('web').length === 1);
  });

  it('is replaced at most MaxAttempts times', () => {
    const swarm = running(policy({ MaxAttempts: 2, Delay: 0 }));
    swarm.fate = () => 'fails at start';
    swarm.end(only(swarm));
    swarm.run(20 * second);
    expect(swarm.live('web')).toHaveLength(0);
    expect(swarm.tasks('web')).toHaveLength(3);
  });

  it('gets no attempt back when it is moved', () => {
    const swarm = running(policy({ MaxAttempts: 2, Delay: 0 }));
    const fail = (): void => {
      swarm.end(only(swarm));
      swarm.run(5 * second);
    };
    fail();
    fail();
    for (let moves = 0; moves < 4; moves += 1) {
      const { nodeId } = only(swarm);
      swarm.drain(nodeId);
      swarm.run(10 * second);
      expect(only(swarm).nodeId).not.toBe(nodeId);
      swarm.changeNode(nodeId, ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
      expect(swarm.tasks('web').length).toBeLessThanOrEqual(3);
    }
    fail();
    expect(swarm.live('web')).toEqual([]);
  });

  it('may be replaced MaxAttempts times again after a change of the task', () => {
    const swarm = running(policy({ MaxAttempts: 1, Delay: 0 }));
    swarm.fate = () => 'fails at start';
    swarm.end(only(swarm));
    swarm.run(10 * second);
    expect(swarm.live('web')).toHaveLength(0);
    swarm.setImage('web', 'busybox:2');
    swarm.run(20 * second);
    const ofNew = swarm.tasks('web').filter(({ revision }) => revision === 2);
    expect(ofNew).toHaveLength(2);
  });

  it('counts restarts in a row that did not last the window, however long their delays', () => {
    const Window = 10_000 * nanoseconds;
    const swarm = running(policy({ MaxAttempts: 3, Delay: 20_000 * nanoseconds, Window }));
    swarm.fate = () => 'fails at start';
    swarm.end(only(swarm));
    swarm.run(600 * second);
    expect(swarm.live('web')).toHaveLength(0);
    expect(swarm.tasks('web').filter(({ restart }) => restart !== undefined)).toHaveLength(3);
  });

  it('counts only restarts within the window', () => {
    const swarm = running(policy({ MaxAttempts: 1, Delay: 0, Window: 10_000 * nanoseconds }));
    for (let round = 0; round < 3; round += 1) {
      swarm.run(15 * second);
      swarm.end(only(swarm));
      swarm.runUntil('again', () => swarm.running('web').length === 1);
    }
    swarm.end(only(swarm));
    swarm.run(30 * second);
    expect(swarm.running('web')).toHaveLength(0);
  });
});

describe('a task whose node is lost', () => {
  it('is replaced when the node goes down, after the delay', () => {
    const swarm = running();
    const { nodeId } = only(swarm);
    swarm.setNodeState(nodeId, 'down');
    const lostAt = swarm.now;
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - lostAt).toBe(5 * second);
    swarm.runUntil('elsewhere', () => swarm.running('web').some((task) => task.nodeId !== nodeId));
  });

  it('is replaced without a delay when the node is drained, once it has stopped', () => {
    const swarm = running();
    const old = only(swarm);
    swarm.drain(old.nodeId);
    swarm.settle();
    expect(swarm.live('web')).toMatchObject([{ desired: 'ready' }]);
    swarm.run(200);
    expect(swarm.task(old.id).status.state).toBe('shutdown');
    expect(swarm.live('web')).toMatchObject([{ desired: 'running' }]);
  });

  it.each(['unknown', 'disconnected'] as const)('stays while the node is %s', (state) => {
    const swarm = running();
    const { id, nodeId } = only(swarm);
    swarm.setNodeState(nodeId, state);
    swarm.run(10 * second);
    expect(swarm.task(id).desired).toBe('running');
  });

  it('is replaced when it was placed there after the node was lost', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    swarm.setNodeState('node1', 'down');
    swarm.create('web');
    swarm.settle();
    const [task] = swarm.tasks('web');
    if (task === undefined) throw new Error('no task');
    const status = { ...task.status, state: 'assigned' } as const;
    swarm.write([{ op: 'update', table: 'task', object: { ...task, nodeId: 'node1', status } }]);
    swarm.settle();
    expect(swarm.task(task.id).desired).toBe('shutdown');
    expect(swarm.live('web')).toHaveLength(1);
  });

  it('stays on a paused node', () => {
    const swarm = running();
    const { id, nodeId } = only(swarm);
    swarm.changeNode(nodeId, ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    swarm.run(10 * second);
    expect(swarm.task(id).desired).toBe('running');
  });
});

describe('a replacement', () => {
  it('starts after a minute when the old task will not stop', () => {
    const swarm = running();
    const old = only(swarm);
    swarm.fate = ({ id }) => (id === old.id ? 'will not stop' : 'runs');
    swarm.drain(old.nodeId);
    const drainedAt = swarm.now;
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - drainedAt).toBe(60 * second);
  });

  it('that is rejected before its wait is over is replaced only then', () => {
    const swarm = running({ spec: { Labels: { 'shoal.restart.backoff': 'off' } } });
    const startedAt = swarm.now;
    swarm.fate = () => 'is rejected';
    swarm.end(only(swarm));
    swarm.run(32 * second);
    const made = swarm
      .tasks('web')
      .flatMap(({ meta }) => (meta.createdAt >= startedAt ? [meta.createdAt - startedAt] : []));
    // The history limit has forgotten the first two.
    expect(made).toEqual([10, 15, 20, 25, 30].map((at) => at * second));
    expect(swarm.live('web')).toHaveLength(1);
  });

  it.each([
    { rule: 'of another revision waits for nothing', image: 'busybox:2', delayMs: undefined },
    { rule: 'of the same goes on waiting longer', image: 'busybox', delayMs: 10 * second },
  ])('for a task that failed twice, $rule', ({ image, delayMs }) => {
    const swarm = running({ template: { ContainerSpec: { Image: 'busybox' } } });
    swarm.end(only(swarm));
    swarm.runUntil('again', () => swarm.running('web').length === 1);
    const old = only(swarm);
    swarm.setImage('web', image);
    swarm.end(old);
    swarm.settle();
    expect(swarm.live('web')).toHaveLength(1);
    expect(swarm.live('web')[0]?.restart?.delayMs).toBe(delayMs);
  });
});

describe('a task that fails again and again', () => {
  /** Milliseconds that each replacement waited before it might start. */
  function waits(parts: SpecParts, failures: number): number[] {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'fails at start' });
    swarm.addNodes(1);
    swarm.create('web', { replicas: 1, ...parts });
    const found: number[] = [];
    let failed = '';
    for (let round = 0; round < failures; round += 1) {
      swarm.runUntil('failed', () => swarm.live('web')[0]?.desired === 'ready', 900 * second);
      const at = swarm.now;
      const [waiting] = swarm.live('web');
      expect(waiting?.id).not.toBe(failed);
      failed = waiting?.id ?? '';
      swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running', 900 * second);
      found.push((swarm.now - at) / second);
    }
    return found;
  }

  it.each([
    { rule: 'doubles up to five minutes', label: {}, to: [5, 10, 20, 40, 80, 160, 300, 300] },
    {
      rule: 'up to the cap of the label',
      label: { 'shoal.restart.backoff': '30s' },
      to: [5, 10, 20, 30, 30],
    },
    { rule: 'not when off', label: { 'shoal.restart.backoff': 'off' }, to: [5, 5, 5, 5] },
    {
      rule: 'as by default when malformed',
      label: { 'shoal.restart.backoff': 'x' },
      to: [5, 10, 20],
    },
  ])('waits longer each time: $rule', ({ label, to }) => {
    expect(waits({ spec: { Labels: label } }, to.length)).toEqual(to);
  });

  it.each([
    { rule: 'doubles the delay of the policy', delay: 2, to: [2, 4, 8] },
    { rule: 'a delay above the cap stays', delay: 600, to: [600, 600] },
  ])('$rule', ({ delay, to }) => {
    const RestartPolicy = { Delay: delay * second * nanoseconds };
    expect(waits({ template: { RestartPolicy } }, to.length)).toEqual(to);
  });

  it.each([0, 1, 5])('the wait needs no history: limit %i', (limit) => {
    const swarm = running();
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
    swarm.fate = () => 'fails at start';
    swarm.end(only(swarm));
    swarm.run(16 * second);
    expect(swarm.live('web')).toMatchObject([{ desired: 'ready', restart: { failures: 3 } }]);
    const at = swarm.now;
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.now - at).toBeGreaterThan(15 * second);
  });

  it('says as the error of the waiting task what it waits for, until it starts', () => {
    const swarm = running();
    swarm.fate = () => 'fails at start';
    swarm.end(only(swarm));
    swarm.settle();
    expect(swarm.live('web')[0]?.status.err).toBe('');
    swarm.runUntil('second failure', () => swarm.live('web')[0]?.restart?.failures === 2);
    const text = 'waits 10s to restart: 2 failures in a row';
    expect(swarm.live('web')[0]?.status).toMatchObject({ state: 'pending', err: text });
    // The scheduler clears it.
    swarm.runUntil('ready', () => swarm.live('web')[0]?.status.state === 'ready');
    expect(swarm.live('web')[0]?.status.err).toBe(text);
    swarm.runUntil('promoted', () => swarm.live('web')[0]?.desired === 'running');
    expect(swarm.live('web')[0]?.status.err).toBe('');
  });

  it.each([
    { rule: 'one that had run for a minute', ranMs: 60 * second, failures: 1 },
    { rule: 'one that ran shorter than that', ranMs: 59 * second, failures: 3 },
  ])('counts anew after $rule', ({ ranMs, failures }) => {
    const swarm = running();
    for (let round = 0; round < 2; round += 1) {
      swarm.end(only(swarm));
      swarm.runUntil('again', () => swarm.running('web').length === 1);
    }
    swarm.run(ranMs);
    swarm.end(only(swarm));
    swarm.settle();
    expect(swarm.live('web')[0]?.restart?.failures).toBe(failures);
  });

  it.each([
    {
      what: 'an end that was none of failure',
      after: (swarm: FakeSwarm) => swarm.end(only(swarm), 'complete'),
      failures: 0,
    },
    {
      what: 'an update',
      after: (swarm: FakeSwarm) => {
        swarm.setImage('web', 'busybox:2');
        swarm.runUntil('updated', () => swarm.running('web')[0]?.revision === 2);
      },
      failures: undefined,
    },
  ])('counts anew after $what', ({ after, failures }) => {
    const swarm = running();
    swarm.end(only(swarm));
    swarm.runUntil('again', () => swarm.running('web').length === 1);
    after(swarm);
    swarm.settle();
    expect(swarm.live('web')[0]?.restart?.failures).toBe(failures);
  });
});

describe('a task that gave way to another', () => {
  it.each(['none', 'on-failure', 'any'] as const)('comes back under condition %s', (Condition) => {
    const swarm = running(policy({ Condition, MaxAttempts: 1 }));
    const old = only(swarm);
    const displaced = { by: 'other', at: swarm.now, reason: 'more important' };
    const object = { ...old, desired: 'shutdown', displaced } as const;
    swarm.write([{ op: 'update', table: 'task', object }]);
    swarm.runUntil('back', () => swarm.running('web').length === 1);
    expect(only(swarm).slot).toBe(old.slot);
  });
});

describe('attempts', () => {
  it('are not used up by nodes that are lost', () => {
    const swarm = running(policy({ MaxAttempts: 1, Delay: 0 }), 3);
    for (const node of ['node1', 'node2', 'node1', 'node2']) {
      swarm.setNodeState(node, 'down');
      swarm.runUntil('elsewhere', () => swarm.running('web').some((it) => it.nodeId !== node));
      swarm.setNodeState(node, 'ready');
      swarm.run(second);
    }
    swarm.end(only(swarm));
    swarm.runUntil('restarted', () => swarm.running('web').length === 1);
    swarm.end(only(swarm));
    swarm.run(20 * second);
    expect(swarm.running('web')).toEqual([]);
  });
});

describe('an orchestrator that starts', () => {
  it.each([
    {
      what: 'replaces tasks of a node that went down',
      change: (it: FakeSwarm, nodeId: string) => it.setNodeState(nodeId, 'down'),
    },
    {
      what: 'replaces tasks of a node that was drained',
      change: (it: FakeSwarm, nodeId: string) => it.drain(nodeId),
    },
    {
      what: 'replaces tasks that failed',
      change: (it: FakeSwarm) => it.end(only(it), 'failed'),
    },
    {
      what: 'replaces tasks that were rejected',
      change: (it: FakeSwarm) => it.end(only(it), 'rejected'),
    },
    {
      what: 'stops what is too much in a slot',
      change: (it: FakeSwarm) =>
        it.write([{ op: 'create', table: 'task', object: { ...only(it), id: 'extra' } }]),
    },
  ])('$what', ({ change }) => {
    const swarm = running();
    const old = only(swarm);
    change(swarm, old.nodeId);
    swarm.stages[0]?.restart();
    swarm.run(12 * second);
    expect(swarm.live('web')).toMatchObject([{ desired: 'running', status: { state: 'running' } }]);
    expect(swarm.refusals).toEqual([]);
  });
});
