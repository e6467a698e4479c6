import type { Monotonic } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Lifecycle,
  type LifecycleEvent,
  newLifecycle,
  recoveredMs,
  restartDelayMsMax,
  restartDelayMsMin,
  step,
} from './restart.ts';

const at = (ms: number): Monotonic => ms as Monotonic;

/** Lives through the events, each with its time; gives the effects. */
function live(...events: readonly (readonly [number, LifecycleEvent])[]) {
  let life: Lifecycle = newLifecycle;
  const effects = events.map(([now, event]) => {
    const { next, effect } = step(life, event, at(now));
    life = next;
    return effect;
  });
  return { life, effects };
}

const start = { kind: 'start' } as const;
const spawned = (pid: number) => ({ kind: 'spawned', pid }) as const;
const exited = { kind: 'exited' } as const;
const over = { kind: 'wait-over' } as const;
const stop = { kind: 'stop' } as const;

/** Deaths right after each start; gives the waits. */
function delaysOf(deaths: number): number[] {
  const events: [number, LifecycleEvent][] = [[0, start]];
  for (let death = 0; death < deaths; death += 1) {
    events.push([0, spawned(death + 1)], [0, exited], [0, over]);
  }
  return live(...events).effects.flatMap((effect) =>
    effect.kind === 'wait' ? [effect.delayMs] : [],
  );
}

test('the first restart comes at once, each further one after twice the wait, up to ten seconds', () => {
  expect(delaysOf(10)).toEqual([50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  expect(delaysOf(200).every((delay) => delay <= restartDelayMsMax)).toBe(true);
});

test('a process that lived long enough starts anew with the short wait', () => {
  const { life, effects } = live(
    [0, start],
    [0, spawned(1)],
    [5, exited],
    [60, over],
    [60, spawned(2)],
    [60 + recoveredMs, exited],
  );
  expect(effects.at(-1)).toEqual({ kind: 'wait', delayMs: restartDelayMsMin });
  expect(life).toMatchObject({ failures: 1, restarts: 1, phase: { kind: 'waiting' } });
});

test('a program that cannot be started counts as a death', () => {
  const { effects } = live([0, start], [0, exited], [50, over], [50, exited]);
  expect(effects.map(({ kind }) => kind)).toEqual(['spawn', 'wait', 'spawn', 'wait']);
});

test('what was told to stop is not started again', () => {
  const { life, effects } = live([0, start], [0, spawned(7)], [9, stop], [12, exited], [60, over]);
  expect(effects.map(({ kind }) => kind)).toEqual(['spawn', 'none', 'terminate', 'none', 'none']);
  expect(life.phase).toEqual({ kind: 'stopped' });
});

test('a stop while it waits to be restarted ends it at once', () => {
  const { life } = live([0, start], [0, spawned(7)], [9, exited], [10, stop], [60, over]);
  expect(life.phase).toEqual({ kind: 'stopped' });
});

test('a process whose start crosses the stop is ended', () => {
  const { effects } = live([0, start], [0, stop], [1, spawned(7)]);
  expect(effects.at(-1)).toEqual({ kind: 'terminate', pid: 7 });
});

test('whatever happens, there is never more than one process, and none after a stop has ended', () => {
  const event = fc.constantFrom('start', 'wait-over', 'exited', 'stop');
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (kinds) => {
      let life: Lifecycle = newLifecycle;
      let alive = 0;
      let told = false;
      for (const [now, kind] of kinds.entries()) {
        // The world: only what lives can exit.
        if (kind === 'exited') {
          if (alive === 0) continue;
          alive -= 1;
        }
        if (kind === 'stop') told = true;
        const stepped = step(life, { kind } as LifecycleEvent, at(now));
        life = stepped.next;
        if (stepped.effect.kind !== 'spawn') continue;
        alive += 1;
        life = step(life, spawned(now), at(now)).next;
        if (alive > 1 || told) return false;
      }
      return true;
    }),
  );
});
