import { type Clock, type Instant, InvariantError, silentLogger } from '@shoal/runtime';
import type { Change, StateView } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, test } from 'vitest';
import type { ProposalResult } from '../replica.ts';
import type { ChangeSet, Decision, Stage } from '../stage.ts';
import { FakeRandom } from '../testing/fake-random.ts';
import { FakeClock, FakeLease, FakeLog, type FakeReplica, settle } from '../testing/index.ts';
import { nodeChange } from '../testing/objects.ts';
import { stageMetrics } from './metrics.ts';
import type { RunningStage } from './options.ts';
import { runStage } from './shell.ts';

type Step = (
  view: StateView,
  changed: ChangeSet,
  now: Instant,
  mine: (key: string) => boolean,
) => Iterable<Decision>;

class Scene {
  readonly clock = new FakeClock();
  readonly random = new FakeRandom(1);
  readonly log: FakeLog;
  readonly registry = new Registry();
  readonly steps: ChangeSet[] = [];
  readonly fatal: unknown[] = [];
  /** Warnings and errors. */
  readonly said: object[] = [];
  readonly running: RunningStage[] = [];

  /** By how much more the clock shows by which the log stamps its entries. */
  logAheadMs: number;

  constructor(commitMs?: () => number, logAheadMs = 0) {
    this.logAheadMs = logAheadMs;
    const { clock, random } = this;
    const stamping: Clock = {
      now: () => (clock.now() + this.logAheadMs) as Instant,
      monotonic: () => clock.monotonic(),
      after: (delayMs, fire) => clock.after(delayMs, fire),
    };
    this.log = new FakeLog({
      clock: stamping,
      random,
      ...(commitMs === undefined ? {} : { commitMs }),
    });
  }

  start(
    step: Step,
    instance = '0',
  ): { stage: RunningStage; replica: FakeReplica; lease: FakeLease } {
    const { clock, random } = this;
    const replica = this.log.replica();
    const id = `scheduler@node/${instance}`;
    const lease = new FakeLease(this.log, { id, stage: 'scheduler', nodeId: 'node', address: '' });
    const stage: Stage = {
      name: 'scheduler',
      step: (view, changed, now, mine) => {
        this.steps.push(changed);
        return step(view, changed, now, mine);
      },
    };
    const say = (fields: object, event: string) => this.said.push({ event, ...fields });
    const running = runStage({
      stage,
      replica,
      lease,
      clock,
      random,
      logger: { ...silentLogger, warn: say, error: say },
      metrics: instance === '0' ? stageMetrics(this.registry, 'scheduler') : undefined,
      onFatal: (error) => this.fatal.push(error),
    });
    this.running.push(running);
    lease.reclaim();
    return { stage: running, replica, lease };
  }
}

let scene: Scene;
afterEach(async () => {
  for (const running of scene.running) await running.stop();
});

const nothing: Step = () => [];

describe('the shell', () => {
  test('steps over everything once it holds its lease, then over what changed', async () => {
    scene = new Scene();
    scene.start(nothing);
    await settle();
    expect(scene.steps.map((step) => step.everything)).toEqual([true]);
    scene.log.write([nodeChange(scene.log.view, 'a', 'one')]);
    scene.log.write([nodeChange(scene.log.view, 'b', 'one')]);
    await settle();
    expect(scene.steps).toHaveLength(2);
    expect(scene.steps[1]?.changes.map((change) => change.id)).toEqual(['a', 'b']);
    expect(scene.steps[1]?.everything).toBe(false);
  });

  test('does not step without a lease', async () => {
    scene = new Scene();
    const { lease, stage } = scene.start(nothing);
    await settle();
    lease.expire();
    scene.log.write([nodeChange(scene.log.view, 'a', 'one')]);
    await settle();
    expect(scene.steps).toHaveLength(1);
    expect(stage.health).toMatchObject({ ready: false, waitingFor: 'a lease' });
    lease.reclaim();
    await settle();
    expect(scene.steps).toHaveLength(2);
    expect(stage.health.ready).toBe(true);
  });

  test('proposes what a step decides, and coalesces what arrives meanwhile', async () => {
    scene = new Scene(() => 10);
    scene.start(function* (view, changed) {
      if (changed.everything) yield decision('x', [nodeChange(view, 'x', 'made')]);
    });
    await settle();
    for (const id of ['a', 'b', 'c']) scene.log.write([nodeChange(scene.log.view, id, 'one')]);
    await scene.clock.advance(5);
    expect(scene.steps).toHaveLength(1);
    await scene.clock.advance(10);
    expect(scene.log.view.nodes.get('x')?.spec.Name).toBe('made');
    expect(scene.steps).toHaveLength(2);
    expect(scene.steps[1]?.changes.map((change) => change.id)).toEqual(['a', 'b', 'c', 'x']);
  });

  test('a refused key comes back at once, then later and later', async () => {
    scene = new Scene();
    const at: number[] = [];
    scene.start(function* (_view, changed, now) {
      if (!changed.everything && !changed.due.has('hopeless')) return;
      at.push(now);
      yield decision('hopeless', [
        { op: 'delete', table: 'node', id: 'nobody', version: 1 },
      ] as never);
    });
    await scene.clock.advance(60_000);
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
    expect(gaps[0]).toBe(0);
    expect(gaps[1]).toBeGreaterThanOrEqual(25);
    expect(gaps.at(-1)).toBeGreaterThan(4_000);
    expect(at.length).toBeLessThan(25);
    const text = await scene.registry.metrics();
    expect(text).toContain('shoal_stage_refusals_total{stage="scheduler",kind="not-found"}');
  });

  test('wakes at the time a step asked for', async () => {
    scene = new Scene();
    const woken: [number, string[]][] = [];
    const begin = scene.clock.now();
    scene.start(function* (_view, changed, now) {
      if (changed.due.size > 0) woken.push([now - begin, [...changed.due]]);
      if (!changed.everything) return;
      yield { kind: 'wake', key: 'a', at: (now + 500) as Instant };
      yield { kind: 'wake', key: 'b', at: (now + 500) as Instant };
    });
    await scene.clock.advance(2_000);
    expect(woken).toEqual([[500, ['a', 'b']]]);
  });

  test('a failed proposal is followed by a pause and a look at everything', async () => {
    scene = new Scene();
    scene.start(function* (view, changed) {
      if (changed.everything && view.nodes.get('x') === undefined)
        yield decision('x', [nodeChange(view, 'x', 'made')]);
    });
    scene.log.failWith({ kind: 'failed', code: 'storage', message: 'no space' });
    await scene.clock.advance(3_000);
    expect(scene.steps.length).toBeGreaterThan(3);
    expect(scene.steps.length).toBeLessThan(12);
    scene.log.failWith(undefined);
    await scene.clock.advance(6_000);
    expect(scene.log.view.nodes.get('x')).toBeDefined();
    expect(scene.steps.at(-1)?.changes.map((change) => change.id)).toEqual(['x']);
  });

  test.each(['too-large', 'malformed'] as const)(
    'of transactions of which one is %s the others are written, without a pause',
    async (code) => {
      scene = new Scene();
      const ids = Array.from({ length: 16 }, (_, at) => `n${at}`);
      const { stage, replica } = scene.start(function* (view, changed) {
        if (!changed.everything) return;
        for (const id of ids) {
          const changes = [nodeChange(view, id, 'made')];
          yield { kind: 'transaction', key: id, reason: id === 'n7' ? 'unfit' : 'fit', changes };
        }
      });
      const propose = replica.propose.bind(replica);
      const message = 'one of them is unfit';
      replica.propose = (all): Promise<ProposalResult> =>
        all.some(({ reason }) => reason === 'unfit')
          ? Promise.resolve({ kind: 'failed', code, message })
          : propose(all);
      await settle();
      const made = ids.filter((id) => scene.log.view.nodes.get(id) !== undefined);
      expect(made).toEqual(ids.filter((id) => id !== 'n7'));
      expect(scene.said).toEqual([{ event: 'stage_unfit', key: 'n7', code, reason: message }]);
      expect(stage.health).toMatchObject({ ready: true, waitingFor: '' });
    },
  );

  test('under a stale lease it claims a new one and looks at everything', async () => {
    scene = new Scene(() => 10);
    const { lease } = scene.start(function* (view, changed) {
      if (view.nodes.get('a') !== undefined && view.nodes.get('x') === undefined)
        yield decision('x', [nodeChange(view, 'x', 'made')]);
      void changed;
    });
    await settle();
    scene.log.write([nodeChange(scene.log.view, 'a', 'one')]);
    await settle();
    const before = lease.current?.epoch ?? 0;
    // Another process claims the lease while the proposal is under way.
    const held = scene.log.view.leases.get('scheduler@node/0');
    if (held === undefined) throw new Error('no lease');
    scene.log.write([{ op: 'update', table: 'lease', object: held }], 'system');
    await scene.clock.advance(100);
    expect(lease.current?.epoch).toBeGreaterThan(before);
    expect(scene.log.view.nodes.get('x')).toBeDefined();
  });

  test('a snapshot makes it look at everything', async () => {
    scene = new Scene();
    const { replica } = scene.start(nothing);
    await settle();
    replica.restore(scene.log.snapshot(), scene.log.committed);
    await settle();
    expect(scene.steps.map((step) => step.everything)).toEqual([true, true]);
  });

  test('replicas share the keys, and take over from one that leaves', async () => {
    scene = new Scene(() => 1);
    const keys = Array.from({ length: 40 }, (_, at) => `key${at}`);
    const owned: Record<string, Set<string>> = {};
    const step =
      (instance: string): Step =>
      (_view, _changed, _now, mine) => {
        owned[instance] = new Set(keys.filter(mine));
        return [];
      };
    scene.start(step('0'), '0');
    const other = scene.start(step('1'), '1');
    await scene.clock.advance(10);
    const [one, two] = [owned['0'], owned['1']];
    expect((one?.size ?? 0) + (two?.size ?? 0)).toBe(keys.length);
    expect(one?.size).toBeGreaterThan(5);
    expect(two?.size).toBeGreaterThan(5);
    other.lease.expire();
    await scene.clock.advance(10);
    expect(owned['0']?.size).toBe(keys.length);
  });

  test('a step that throws ends it all', async () => {
    scene = new Scene();
    scene.start(() => {
      throw new InvariantError('cannot be', {});
    });
    await settle();
    expect(scene.fatal).toHaveLength(1);
    scene.log.write([nodeChange(scene.log.view, 'a', 'one')]);
    await settle();
    expect(scene.steps).toHaveLength(1);
  });

  test('stop waits for the proposals under way and leaves no timer', async () => {
    scene = new Scene(() => 100);
    const { stage } = scene.start(function* (view, changed, now) {
      if (changed.everything) yield decision('x', [nodeChange(view, 'x', 'made')]);
      yield { kind: 'wake', key: 'later', at: (now + 60_000) as Instant };
    });
    await settle();
    let stopped = false;
    const stopping = stage.stop().then(() => {
      stopped = true;
    });
    await scene.clock.advance(50);
    expect(stopped).toBe(false);
    await scene.clock.advance(60);
    await stopping;
    expect(scene.log.view.nodes.get('x')).toBeDefined();
    expect(scene.clock.timers).toBe(0);
  });

  test('what is reckoned from a stamp is due in time, also where the clock that gave it was ahead', async () => {
    scene = new Scene(undefined, 3_600_000);
    const delayMs = 5_000;
    const waitedMs = startWaiting(delayMs);
    await settle();
    scene.log.write([nodeChange(scene.log.view, 'x', 'one')]);
    await scene.clock.advance(60_000);
    expect(waitedMs()).toBeGreaterThanOrEqual(delayMs);
    expect(waitedMs()).toBeLessThanOrEqual(2 * delayMs);
  });

  test('a wait is no shorter where the log goes on from its last stamp after a quiet time', async () => {
    const aheadMs = 3_600_000;
    const quietMs = 1_200_000;
    scene = new Scene(undefined, aheadMs);
    const delayMs = 60_000;
    const waitedMs = startWaiting(delayMs);
    scene.log.write([nodeChange(scene.log.view, 'a', 'one')]);
    await scene.clock.advance(quietMs);
    scene.logAheadMs = aheadMs - quietMs;
    scene.log.write([nodeChange(scene.log.view, 'x', 'one')]);
    await scene.clock.advance(600_000);
    expect(waitedMs()).toBeGreaterThanOrEqual(delayMs);
    expect(waitedMs()).toBeLessThanOrEqual(2 * delayMs);
  });

  test('a stage that never rests does not starve the process', async () => {
    scene = new Scene();
    let count = 0;
    scene.start(function* (view) {
      count += 1;
      yield decision('x', [nodeChange(view, 'x', `name${count}`)]);
    });
    await settle();
    const first = count;
    expect(first).toBeGreaterThan(1);
    await settle();
    expect(count).toBe(first);
    await scene.clock.advance(1);
    expect(count).toBeGreaterThan(first);
  });
});

/** A stage that waits so long from the stamp of node `x`; gives how long it really did. */
function startWaiting(delayMs: number): () => number {
  let made = 0;
  let due = Number.NaN;
  scene.start(function* (view, _changed, now) {
    const { createdAt } = view.nodes.get('x')?.meta ?? {};
    if (createdAt === undefined) return;
    made ||= scene.clock.now();
    if (createdAt + delayMs <= now) due ||= scene.clock.now();
    else yield { kind: 'wake', key: 'x', at: (createdAt + delayMs) as Instant };
  });
  return () => due - made;
}

function decision(key: string, changes: readonly Change[]): Decision {
  return { kind: 'transaction', key, reason: 'the test wants it', changes };
}
