import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, type SpecParts, second } from '../testing/objects.ts';

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

  it('that is rejected is replaced in its turn, each after the delay', () => {
    const swarm = running();
    const startedAt = swarm.now;
    swarm.fate = () => 'is rejected';
    swarm.end(only(swarm));
    swarm.run(30 * second);
    const made = swarm.tasks('web').filter(({ meta }) => meta.createdAt > startedAt);
    expect(made.length).toBeGreaterThan(2);
    expect(swarm.live('web')).toHaveLength(1);
  });
});
