import type { ContainerUsage } from '@shoal/docker-api';
import type { Clock, Instant, Monotonic, Timer } from '@shoal/runtime';
import { loadPeriodMs, type TaskLoad } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { LoadMeter, type Measured } from './load-meter.ts';

const mebi = 1 << 20;

let now: number;
let timers: { readonly at: number; readonly fire: () => void }[];
let measured: Measured[];
let answer: (containerId: string, signal: AbortSignal) => Promise<ContainerUsage | undefined>;
let told: [task: string, load: TaskLoad | undefined][];
let meter: LoadMeter;

const fakeClock: Clock = {
  now: () => now as Instant,
  monotonic: () => now as Monotonic,
  after(ms, fire): Timer {
    const timer = { at: now + ms, fire };
    timers.push(timer);
    return { cancel: () => void timers.splice(timers.indexOf(timer) >>> 0, 1) };
  },
};

beforeEach(() => {
  [now, timers, told] = [loadPeriodMs + 1, [], []];
  measured = [{ taskId: 't', containerId: 'c' }];
  answer = async () => busyFor(0);
  meter = new LoadMeter({
    measured: () => measured,
    usageOf: (id, signal) => answer(id, signal),
    tell: (task, load) => told.push([task, load]),
    clock: fakeClock,
  });
});

function busyFor(cpuSeconds: number, memoryBytes = mebi): ContainerUsage {
  return { cpuSeconds, memoryBytes };
}

/** Lets time pass to the next timer that is due within `ms`, and everything happen that then can. */
async function pass(ms: number): Promise<void> {
  const end = now + ms;
  for (;;) {
    const next = timers.toSorted((a, b) => a.at - b.at)[0];
    if (next === undefined || next.at > end) break;
    now = next.at;
    timers.splice(timers.indexOf(next), 1);
    next.fire();
    await new Promise(setImmediate);
  }
  now = end;
}

test('what a task uses is told from the second period on, when the wall clock begins one', async () => {
  await pass(loadPeriodMs);
  expect(told).toEqual([]);
  answer = async () => busyFor(7.5, 20 * mebi);
  await pass(loadPeriodMs);
  expect(told).toEqual([['t', { processors: 0.5, memoryBytes: 20 * mebi }]]);
  expect(meter.load('t')).toEqual({ processors: 0.5, memoryBytes: 20 * mebi });
});

test('what is about the same is not told again', async () => {
  let used = 0;
  const use = (processors: number): void => {
    used += (processors * loadPeriodMs) / 1_000;
    const total = used;
    answer = async () => busyFor(total);
  };
  await pass(loadPeriodMs);
  for (const processors of [1, 1.04, 0.96, 1.06, 0, 0.004]) {
    use(processors);
    await pass(loadPeriodMs);
  }
  expect(told.map(([, load]) => load?.processors)).toEqual([1, 1.06, 0]);
});

test('what the engine does not say, or not in time, is known no longer', async () => {
  await pass(2 * loadPeriodMs);
  expect(told).toHaveLength(1);
  answer = async () => undefined;
  await pass(loadPeriodMs);
  expect(told.at(-1)).toEqual(['t', undefined]);
  answer = async () => busyFor(0);
  await pass(2 * loadPeriodMs);
  expect(told).toHaveLength(3);
  answer = (_id, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
  await pass(loadPeriodMs);
  expect(told).toHaveLength(3);
  await pass(5_000);
  expect(told.at(-1)).toEqual(['t', undefined]);
});

test('a task that is another container, or not measured any more, has no load', async () => {
  await pass(2 * loadPeriodMs);
  measured = [{ taskId: 't', containerId: 'c2' }];
  await pass(loadPeriodMs);
  expect(told.at(-1)).toEqual(['t', undefined]);
  await pass(loadPeriodMs);
  expect(told.at(-1)?.[1]).toBeDefined();
  measured = [];
  await pass(loadPeriodMs);
  expect(told.at(-1)).toEqual(['t', undefined]);
  expect(meter.load('t')).toBeUndefined();
});

test('a moment says nothing: when the wall clock is set, what was told holds', async () => {
  await pass(2 * loadPeriodMs);
  now += 1;
  const [timer] = timers;
  timers = [];
  timer?.fire();
  await new Promise(setImmediate);
  expect(told).toHaveLength(1);
  answer = async () => busyFor(3);
  await pass(loadPeriodMs);
  expect(told).toHaveLength(2);
});

test('nothing is told once it has stopped, nor asked', async () => {
  await pass(loadPeriodMs);
  const late = Promise.withResolvers<ContainerUsage>();
  answer = () => late.promise;
  await pass(loadPeriodMs);
  meter.stop();
  late.resolve(busyFor(1));
  await new Promise(setImmediate);
  expect(told).toEqual([]);
  expect(timers).toEqual([]);
});
