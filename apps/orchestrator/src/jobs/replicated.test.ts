import type { Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aJob, current, iterationOf, jobSwarm, stateCounts } from '../testing/jobs.ts';
import { aCluster, nanoseconds, second } from '../testing/objects.ts';

describe('a replicated job', () => {
  it('runs as many tasks at a time as it may, in slots from 0, until all have completed', () => {
    const swarm = jobSwarm(aJob(2, 5));
    swarm.settle();
    expect(current(swarm).map(({ slot }) => slot)).toEqual([0, 1]);
    expect(current(swarm)).toMatchObject([
      { desired: 'complete', jobIteration: 0, status: { state: 'pending' } },
      { desired: 'complete', jobIteration: 0, status: { state: 'pending' } },
    ]);
    let most = 0;
    swarm.fate = () => 'finishes';
    swarm.runUntil('completed', () => {
      const live = current(swarm).filter(({ status }) => status.state !== 'complete');
      most = Math.max(most, live.length);
      return stateCounts(swarm)['complete'] === 5;
    });
    expect(most).toBe(2);
    expect(new Set(current(swarm).map(({ slot }) => slot))).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(swarm.refusals).toEqual([]);
  });

  it.each([
    { max: 3, total: 3, atOnce: 3 },
    { max: 9, total: 2, atOnce: 2 },
    { max: 0, total: 2, atOnce: 0 },
    { max: 2, total: 0, atOnce: 0 },
  ])('of $total completions, $max at a time, begins with $atOnce', ({ max, total, atOnce }) => {
    const swarm = jobSwarm(aJob(max, total));
    swarm.run(2 * second);
    expect(current(swarm)).toHaveLength(atOnce);
  });

  it('does nothing more once it has completed', () => {
    const swarm = jobSwarm(aJob(1, 2));
    swarm.fate = () => 'finishes';
    swarm.run(60 * second);
    expect(swarm.tasks('job')).toHaveLength(2);
    const { length } = swarm.reasons;
    swarm.stages[0]?.restart();
    swarm.run(60 * second);
    expect(swarm.reasons).toHaveLength(length);
  });

  it('goes with its service', () => {
    const swarm = jobSwarm(aJob(2, 2));
    swarm.run(second);
    swarm.remove('job');
    swarm.runUntil('gone', () => swarm.tasks('job').length === 0);
  });

  it('that nobody has asked to run yet is run: it was made before jobs were known', () => {
    const swarm = jobSwarm();
    swarm.create('job', aJob(1, 1));
    const service = swarm.service('job');
    swarm.write([{ op: 'update', table: 'service', object: { ...service, jobStatus: undefined } }]);
    swarm.settle();
    expect(iterationOf(swarm)).toBe(0);
    expect(current(swarm)).toHaveLength(1);
  });
});

describe('a task of a replicated job whose node no longer fits', () => {
  it('is moved, and uses up no attempt', () => {
    const Placement = { Constraints: ['node.labels.disk==ssd'] };
    const swarm = jobSwarm();
    const disk = (id: string, value: string): void =>
      swarm.changeNode(id, ({ spec }) => ({ spec: { ...spec, Labels: { disk: value } } }));
    for (const { id } of swarm.view.nodes.values()) disk(id, 'ssd');
    const parts = aJob(1, 1, { MaxAttempts: 1, Delay: 0 });
    swarm.create('job', { ...parts, template: { ...parts.template, Placement } });
    const busy = () => current(swarm).find(({ status }) => status.state === 'running');
    for (const move of [1, 2, 3]) {
      swarm.runUntil(`runs before move ${move}`, () => busy() !== undefined);
      const { nodeId = '' } = busy() ?? {};
      disk(nodeId, 'hdd');
      swarm.runUntil(`move ${move}`, () => busy() === undefined);
      disk(nodeId, 'ssd');
    }
    swarm.runUntil('runs again', () => busy() !== undefined);
    for (const left of [1, 0]) {
      const task = busy();
      if (task === undefined) throw new Error('nothing runs');
      swarm.end(task, 'failed');
      swarm.run(10 * second);
      expect(busy() === undefined).toBe(left === 0);
    }
  });
});

describe('a failed task of a replicated job', () => {
  it('is tried again in its slot, after the delay', () => {
    const swarm = jobSwarm(aJob(1, 1, { Delay: 2_000 * nanoseconds }));
    const [first] = started(swarm);
    swarm.end(first, 'failed');
    const endedAt = swarm.now;
    swarm.settle();
    expect(swarm.task(first.id).desired).toBe('shutdown');
    expect(current(swarm).at(-1)).toMatchObject({ slot: 0, desired: 'ready', jobIteration: 0 });
    swarm.runUntil('promoted', () => current(swarm).at(-1)?.desired === 'complete');
    expect(swarm.now - endedAt).toBe(2 * second);
  });

  it.each([
    { condition: undefined, end: 'failed', again: true },
    { condition: 'any', end: 'complete', again: false },
    { condition: 'any', end: 'failed', again: true },
    { condition: 'on-failure', end: 'failed', again: true },
    { condition: 'on-failure', end: 'rejected', again: true },
    { condition: 'on-failure', end: 'complete', again: false },
    { condition: 'none', end: 'failed', again: false },
    { condition: 'none', end: 'rejected', again: false },
  ] as const)('under $condition, ended as $end, is tried again: $again', (row) => {
    const { condition, end, again } = row;
    const swarm = jobSwarm(aJob(1, 1, { ...(condition && { Condition: condition }), Delay: 0 }));
    const [first] = started(swarm);
    swarm.end(first, end);
    swarm.run(10 * second);
    expect(swarm.tasks('job')).toHaveLength(again ? 2 : 1);
  });

  it('is given up for good after MaxAttempts; other slots go on', () => {
    const swarm = jobSwarm(aJob(1, 3, { MaxAttempts: 2, Delay: 0 }));
    swarm.fate = ({ slot }) => (slot === 1 ? 'fails' : 'finishes');
    swarm.run(60 * second);
    const bySlot = Map.groupBy(current(swarm), ({ slot }) => slot);
    const states = [0, 1, 2].map((slot) => bySlot.get(slot)?.map(({ status }) => status.state));
    expect(states).toEqual([['complete'], ['failed', 'failed', 'failed'], ['complete']]);
    // Neither the end of another task nor another orchestrator brings it back.
    swarm.stages[0]?.restart();
    swarm.run(60 * second);
    expect(current(swarm)).toHaveLength(5);
  });

  it('within a window counts only failures within it', () => {
    const policy = { MaxAttempts: 1, Delay: 0, Window: 10_000 * nanoseconds };
    const swarm = jobSwarm(aJob(1, 1, policy));
    for (let round = 0; round < 3; round += 1) {
      swarm.run(20 * second);
      swarm.end(started(swarm)[0]);
    }
    swarm.runUntil('again', () => current(swarm).some(isRunning));
    swarm.end(started(swarm)[0]);
    swarm.run(30 * second);
    expect(current(swarm)).toHaveLength(4);
    expect(current(swarm).every(({ desired }) => desired === 'shutdown')).toBe(true);
  });

  it.each([
    { window: 30, backoff: '5m' },
    { window: 120, backoff: '5m' },
    { window: 2, backoff: 'off' },
  ])('counts what did not last a window of $window s, whatever the delay', (row) => {
    const { window, backoff } = row;
    const { template, spec } = aJob(1, 1, {
      MaxAttempts: 3,
      Window: window * second * nanoseconds,
    });
    const Labels = { 'shoal.restart.backoff': backoff };
    const swarm = jobSwarm({ template: template ?? {}, spec: { ...spec, Labels } });
    swarm.fate = () => 'fails';
    swarm.run(3_600 * second);
    expect(current(swarm)).toHaveLength(4);
    expect(current(swarm).every(({ desired }) => desired === 'shutdown')).toBe(true);
  });

  it('waits longer the more often it fails in a row', () => {
    const swarm = jobSwarm(aJob(1, 1, { Delay: 1_000 * nanoseconds }));
    swarm.fate = () => 'fails';
    swarm.run(12 * second);
    const delays = current(swarm).map(({ restart }) => restart?.delayMs);
    expect(delays.slice(0, 5)).toEqual([undefined, 1_000, 2_000, 4_000, 8_000]);
  });
});

describe('a replicated job whose node is lost', () => {
  it.each(['down', 'drain'] as const)('by %s goes on elsewhere', (how) => {
    const swarm = jobSwarm(aJob(1, 1));
    const [first] = started(swarm);
    if (how === 'drain') swarm.drain(first.nodeId);
    else swarm.setNodeState(first.nodeId, 'down');
    swarm.runUntil('elsewhere', () =>
      current(swarm).some((task) => task.nodeId !== first.nodeId && isRunning(task)),
    );
    expect(swarm.task(first.id).desired).toBe('shutdown');
  });

  it('waits for the delay first when the node went down: it may be back', () => {
    const swarm = jobSwarm(aJob(1, 1, { Delay: 20_000 * nanoseconds }));
    const [first] = started(swarm);
    swarm.setNodeState(first.nodeId, 'down');
    swarm.settle();
    expect(current(swarm).at(-1)).toMatchObject({
      desired: 'ready',
      restart: { delayMs: 20_000, failures: 0, moved: true },
    });
  });

  it('never runs in two places: a drained task stops first', () => {
    const swarm = jobSwarm(aJob(1, 1));
    const [first] = started(swarm);
    swarm.fate = ({ id }) => (id === first.id ? 'will not stop' : 'runs');
    swarm.drain(first.nodeId);
    swarm.run(59 * second);
    expect(
      current(swarm)
        .filter(isRunning)
        .map(({ id }) => id),
    ).toEqual([first.id]);
    swarm.run(5 * second);
    expect(current(swarm).filter(isRunning)).toHaveLength(2);
  });

  it('uses up no attempt', () => {
    const swarm = jobSwarm(aJob(1, 1, { MaxAttempts: 1, Delay: 0 }));
    for (let round = 0; round < 3; round += 1) {
      const [task] = started(swarm);
      swarm.drain(task.nodeId);
      swarm.runUntil('elsewhere', () =>
        current(swarm).some(({ id, status }) => id !== task.id && status.state === 'running'),
      );
      swarm.changeNode(task.nodeId, ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    }
    swarm.end(started(swarm)[0]);
    swarm.runUntil('tried again', () => isRunning(started(swarm)[0]));
  });

  it('under condition none is not run twice, but elsewhere when it had not begun', () => {
    const begun = jobSwarm(aJob(1, 1, { Condition: 'none' }));
    begun.drain(started(begun)[0].nodeId);
    begun.run(30 * second);
    expect(current(begun)).toHaveLength(1);

    const waiting = jobSwarm(aJob(1, 1, { Condition: 'none' }));
    waiting.fate = () => 'hangs';
    waiting.run(2 * second);
    const [task] = current(waiting);
    waiting.drain(task?.nodeId ?? '');
    waiting.run(30 * second);
    expect(current(waiting)).toHaveLength(2);
  });

  it('counts a completion that is reported late, and stops who replaced it', () => {
    const swarm = jobSwarm(aJob(1, 1, { Delay: 0 }));
    const [first] = started(swarm);
    swarm.setNodeState(first.nodeId, 'down');
    swarm.runUntil('replaced', () => current(swarm).filter(isRunning).length === 2);
    swarm.end(first, 'complete');
    swarm.run(5 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 1, shutdown: 1 });
  });
});

describe('an update of a replicated job', () => {
  it('by force runs it again: one iteration more, what is left of the old one removed', () => {
    const swarm = jobSwarm(aJob(2, 2));
    const old = started(swarm).map(({ id }) => id);
    swarm.force('job');
    swarm.settle();
    expect(iterationOf(swarm)).toBe(1);
    expect(old.map((id) => swarm.task(id).desired)).toEqual(['remove', 'remove']);
    // Each waits until its slot is free.
    expect(current(swarm).map(({ desired }) => desired)).toEqual(['ready', 'ready']);
    swarm.fate = () => 'finishes';
    swarm.runUntil('again', () => stateCounts(swarm)['complete'] === 2);
    expect(swarm.tasks('job').every(({ jobIteration }) => jobIteration === 1)).toBe(true);
  });

  it.each([
    ['the number of completions', 4],
    ['nothing but a label', 2],
  ])('of %s runs it again, all of it', (_what, total) => {
    const swarm = jobSwarm(aJob(2, 2));
    swarm.fate = () => 'finishes';
    swarm.runUntil('completed', () => stateCounts(swarm)['complete'] === 2);
    swarm.update('job', (spec) => ({ ...spec, Labels: { a: 'b' }, ...aJob(2, total).spec }));
    swarm.runUntil('again', () => stateCounts(swarm)['complete'] === total);
    expect(current(swarm).every(({ jobIteration }) => jobIteration === 1)).toBe(true);
    expect(current(swarm).every(({ revision }) => revision === 2)).toBe(true);
  });

  it('to fewer completions removes what there was of the slots beyond', () => {
    const swarm = jobSwarm(aJob(4, 4));
    swarm.fate = () => 'finishes';
    swarm.runUntil('completed', () => stateCounts(swarm)['complete'] === 4);
    swarm.update('job', (spec) => ({ ...spec, ...aJob(4, 1).spec }));
    swarm.runUntil('again', () => stateCounts(swarm)['complete'] === 1);
    swarm.run(second);
    expect(swarm.tasks('job').map(({ slot }) => slot)).toEqual([0, 0]);
  });
});

describe('the history of a job', () => {
  it('keeps the last runs of a slot, with how they ended', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(3) }]);
    swarm.addNodes(2);
    swarm.create('job', aJob(1, 1, { Condition: 'none' }));
    for (let run = 0; run < 6; run += 1) {
      swarm.fate = () => (run % 2 === 0 ? 'finishes' : 'fails');
      swarm.run(10 * second);
      swarm.force('job');
    }
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    const kept = swarm.tasks('job').map(({ jobIteration, status }) => [jobIteration, status.state]);
    expect(kept).toEqual([
      [4, 'complete'],
      [5, 'failed'],
      [6, 'complete'],
    ]);
  });

  it('keeps every failure that counts against the attempts of the run', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(1) }]);
    swarm.addNodes(1);
    swarm.create('job', aJob(1, 1, { MaxAttempts: 4, Delay: 0 }));
    swarm.fate = () => 'fails';
    swarm.run(60 * second);
    expect(current(swarm)).toHaveLength(5);
  });

  it('keeps no more than count, while tries last the window', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(1) }]);
    swarm.addNodes(1);
    const policy = { MaxAttempts: 2, Delay: 0, Window: 5 * second * nanoseconds };
    swarm.create('job', aJob(1, 1, policy));
    for (let round = 0; round < 8; round += 1) {
      swarm.run(10 * second);
      swarm.end(started(swarm)[0]);
    }
    swarm.settle();
    expect(stateCounts(swarm)['failed']).toBe(3);
    const before = new Set(current(swarm).map(({ id }) => id));
    swarm.fate = () => 'fails';
    swarm.run(60 * second);
    // One more after the try that was due; the last that lasted is kept to tell.
    expect(current(swarm).filter(({ id }) => !before.has(id))).toHaveLength(1);
    expect(stateCounts(swarm)).toEqual({ failed: 3 });
  });

  it('is bounded while a job fails again and again', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(2) }]);
    swarm.addNodes(1);
    swarm.create('job', aJob(1, 1, { Delay: 0 }));
    swarm.fate = () => 'fails';
    swarm.run(60 * second);
    expect(swarm.tasks('job').length).toBeLessThanOrEqual(3);
  });
});

function isRunning({ status }: Task): boolean {
  return status.state === 'running';
}

/** The tasks of the run that are live, all of them running. */
function started(swarm: FakeSwarm): [Task, ...Task[]] {
  const live = (): Task[] => current(swarm).filter(({ desired }) => desired === 'complete');
  swarm.runUntil('started', () => live().length > 0 && live().every(isRunning));
  const [first, ...more] = live();
  if (first === undefined) throw new Error('nothing runs');
  return [first, ...more];
}
