import { afterEach, expect, test, vi } from 'vitest';
import { noNetworking } from '../network/task-networking.ts';
import { checkedAssignment, sampleAssignment } from '../testing/sample-task.ts';
import { sampleWorker } from '../testing/sample-worker.ts';
import type { Worker, WorkerOptions } from './worker.ts';

const minuteMs = 60_000;
let worker: Worker;

afterEach(() => worker.stop());

function begin(more: Partial<WorkerOptions> = {}) {
  const begun = sampleWorker(more);
  worker = begun.worker;
  const state = () => worker.statuses.get('t')?.state;
  return { ...begun, state };
}

test.each<[what: string, happens: 'while the engine is away' | 'before', isRemoved: boolean]>([
  ['ends with its engine', 'while the engine is away', false],
  ['is gone when its engine is back', 'while the engine is away', true],
  ['ends before its engine is away', 'before', false],
  ['ends before its engine is away, and is gone afterwards', 'before', true],
])(
  'a container that %s, while others hear of its task, is noticed',
  async (_what, when, isRemoved) => {
    const served = Promise.withResolvers<void>();
    const serve = vi.fn(() => served.promise);
    const { engine, clock, state } = begin({ networking: { ...noNetworking, serve } });
    worker.assignAll([sampleAssignment()]);
    await vi.waitFor(() => expect(serve).toHaveBeenCalled());
    if (when === 'before') engine.die('t', 3);
    engine.stopItself();
    await clock.advance(1_000);
    if (isRemoved) engine.containers.clear();
    engine.startItself();
    await clock.advance(minuteMs);
    expect([worker.engineSeen, state()]).toEqual([true, 'starting']);
    served.resolve();
    await clock.advance(minuteMs);
    const err =
      when === 'before'
        ? 'task: non-zero exit (3)'
        : isRemoved
          ? 'No such container: web.1.t'
          : 'task: non-zero exit (137)';
    expect(worker.statuses.get('t')).toMatchObject({ state: 'failed', err });
  },
);

test.each([
  ['unhealthy', 'failed'],
  ['healthy', 'running'],
] as const)(
  'that a container is %s while nobody hears of it makes its task %s',
  async (health, end) => {
    const { engine, clock, state } = begin();
    worker.assignAll([checkedAssignment('t')]);
    await vi.waitFor(() => expect(state()).toBe('starting'));
    engine.becomes('t', 'healthy');
    await vi.waitFor(() => expect(state()).toBe('running'));
    engine.cutStreams();
    engine.becomes('t', health);
    await clock.advance(minuteMs);
    expect([worker.engineSeen, state()]).toEqual([true, end]);
  },
);
