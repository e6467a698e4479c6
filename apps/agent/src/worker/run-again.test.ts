// Containers of tasks that have ended, and that somebody starts again by hand.
import { beforeEach, expect, test, vi } from 'vitest';
import { sampleAssignment } from '../testing/sample-task.ts';
import { sampleWorker, storeOf } from '../testing/sample-worker.ts';

let swarm: ReturnType<typeof sampleWorker>;
const old = sampleAssignment({ taskId: 'old' });
const ended = { ...old, desired: 'shutdown' } as const;
const state = (taskId: string) => swarm.statuses.get(taskId)?.state;

beforeEach(async () => {
  swarm = sampleWorker();
  swarm.worker.assignAll([old]);
  await vi.waitFor(() => expect(state('old')).toBe('running'));
});

/** The task has ended, and another has its place. */
async function replaced(): Promise<void> {
  await vi.waitFor(() => expect(state('old')).toBe('failed'));
  swarm.worker.assign([ended, sampleAssignment({ taskId: 'new' })], []);
  await vi.waitFor(() => expect(state('new')).toBe('running'));
}

test('restarted while it runs, it ends, is replaced, and is stopped', async () => {
  await swarm.engine.restart('old');
  await replaced();
  await vi.waitFor(() => expect(swarm.engine.runs('old')).toBe(false));
  expect(swarm.engine.runs('new')).toBe(true);
  // Kept for its logs.
  expect(swarm.engine.touched).toEqual(['container-of-old']);
  expect(swarm.engine.containers.has('container-of-old')).toBe(true);
  expect(state('old')).toBe('failed');
});

test('started later it is stopped, as often as that happens', async () => {
  swarm.engine.die('old', 1);
  await replaced();
  for (const times of [1, 2]) {
    await swarm.engine.restart('old');
    await vi.waitFor(() => expect(swarm.engine.touched).toHaveLength(times));
    expect(swarm.engine.runs('old')).toBe(false);
  }
});

test.each(['while nobody listened', 'while there was no agent'])(
  'started %s it is stopped as soon as it is seen',
  async (when) => {
    swarm.engine.die('old', 1);
    await replaced();
    if (when === 'while nobody listened') {
      swarm.engine.cutStreams();
      await swarm.engine.restart('old');
      await swarm.clock.advance(60_000);
    } else {
      await swarm.worker.stop();
      await swarm.engine.restart('old');
      const { engine, statuses } = swarm;
      const next = sampleWorker({ engine, store: storeOf(statuses) });
      next.worker.assignAll([ended, sampleAssignment({ taskId: 'new' })]);
    }
    await vi.waitFor(() => expect(swarm.engine.runs('old')).toBe(false));
    expect(swarm.engine.runs('new')).toBe(true);
  },
);

test.each(['refused', 'unreachable'] as const)('%s, it is stopped later', async (kind) => {
  swarm.engine.die('old', 1);
  await replaced();
  const { engine } = swarm;
  const stop = vi.spyOn(engine, 'stop');
  stop.mockResolvedValueOnce({ kind: 'failed', failure: { kind, message: 'busy' } });
  await engine.restart('old');
  await vi.waitFor(() => expect(stop).toHaveBeenCalledOnce());
  await swarm.clock.advance(1_000);
  await vi.waitFor(() => expect(engine.runs('old')).toBe(false));
});

test('it is stopped before it is removed', async () => {
  swarm.engine.die('old', 1);
  await replaced();
  void swarm.engine.restart('old');
  swarm.worker.assign([], ['old']);
  await vi.waitFor(() => expect(swarm.engine.containers.has('container-of-old')).toBe(false));
  expect(swarm.engine.touched).toEqual(['container-of-old', 'container-of-old']);
});
