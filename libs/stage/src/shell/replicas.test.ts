import { silentLogger } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChangeSet, Decision, Stage } from '../stage.ts';
import { FakeRandom } from '../testing/fake-random.ts';
import { FakeClock, FakeLease, FakeLog } from '../testing/index.ts';
import { nodeChange } from '../testing/objects.ts';
import type { RunningStage } from './options.ts';
import { runStage } from './shell.ts';

/** Names every node it owns `named`. */
function naming(): Stage {
  const touched = (view: StateView, changed: ChangeSet): Iterable<string> =>
    changed.everything
      ? Array.from(view.nodes.values(), (node) => node.id)
      : new Set([...changed.changes.map((change) => change.id), ...changed.due]);
  return {
    name: 'scheduler',
    *step(view, changed, _now, mine): Iterable<Decision> {
      for (const id of touched(view, changed)) {
        const node = view.nodes.get(id);
        if (node === undefined || node.spec.Name === 'named' || !mine(id)) continue;
        const changes = [nodeChange(view, id, 'named')];
        yield { kind: 'transaction', key: id, reason: 'nodes are named', changes };
      }
    },
  };
}

interface RunningReplica {
  readonly running: RunningStage;
  readonly lease: FakeLease;
}

/** Replicas of one stage before a log whose every message takes its own time. */
class Cluster {
  readonly clock = new FakeClock();
  readonly random: FakeRandom;
  readonly log: FakeLog;
  readonly fatal: unknown[] = [];
  readonly replicas: RunningReplica[] = [];

  constructor(seed: number) {
    this.random = new FakeRandom(seed);
    const upTo = (ms: number) => () => Math.floor(this.random.next() * ms);
    const { clock, random } = this;
    this.log = new FakeLog({ clock, random, commitMs: upTo(20), deliverMs: upTo(30) });
    for (let at = 0; at < 3; at += 1) this.replicas.push(this.#start(at));
  }

  #start(at: number): RunningReplica {
    const { clock, random, log } = this;
    const id = `scheduler@node/${at}`;
    const lease = new FakeLease(log, { id, stage: 'scheduler', nodeId: 'node', address: '' });
    const running = runStage({
      stage: naming(),
      replica: log.replica(),
      lease,
      clock,
      random,
      logger: silentLogger,
      onFatal: (error) => this.fatal.push(error),
    });
    lease.reclaim();
    return { running, lease };
  }
}

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ waitMs: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ expire: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ reclaim: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ outage: fc.boolean() }) },
);

test('replicas of a stage end where one would, whatever is late, lost or taken over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), fc.integer(), async (events, seed) => {
      const cluster = new Cluster(seed);
      const { clock, log, replicas } = cluster;
      for (const [at, what] of events.entries()) {
        if ('write' in what) log.write([nodeChange(log.view, `n${what.write}`, `x${at}`)]);
        else if ('waitMs' in what) await clock.advance(what.waitMs);
        else if ('expire' in what) replicas[what.expire]?.lease.expire();
        else if ('reclaim' in what) replicas[what.reclaim]?.lease.reclaim();
        else log.failWith(what.outage ? outage : undefined);
      }
      log.failWith(undefined);
      replicas[0]?.lease.reclaim();
      await clock.advance(30_000);
      expect(cluster.fatal).toEqual([]);
      for (const node of log.view.nodes.values()) expect(node.spec.Name).toBe('named');
      for (const { running } of replicas) await running.stop();
      expect(clock.timers).toBe(0);
    }),
    { numRuns: 60 },
  );
});

const outage = { kind: 'failed', code: 'storage', message: 'no space' } as const;
