import type { Instant } from '@shoal/runtime';
import { isTerminal, type TaskState, type TaskStatus, taskStateRank } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ActEnd, nextMove, passed, settle } from './machine.ts';

const states = Object.keys(taskStateRank) as TaskState[];
const at = (ms: number): Instant => ms as Instant;
const status = (state: TaskState): TaskStatus => ({ state, at: at(0), message: 'm', err: '' });

test.each([
  ['assigned', 'running', 'pass accepted'],
  ['accepted', 'running', 'pass preparing'],
  ['preparing', 'running', 'act prepare'],
  ['preparing', 'ready', 'act prepare'],
  ['ready', 'running', 'pass starting'],
  ['ready', 'ready', 'rest'],
  ['ready', 'complete', 'pass starting'],
  ['starting', 'running', 'act start'],
  ['starting', 'ready', 'act start'],
  ['running', 'running', 'act wait'],
  ['running', 'complete', 'act wait'],
  ['running', 'shutdown', 'act stop'],
  ['assigned', 'shutdown', 'act stop'],
  ['preparing', 'remove', 'act stop'],
  ['complete', 'running', 'rest'],
  ['failed', 'shutdown', 'rest'],
] as const)('%s with %s wanted: %s', (state, desired, expected) => {
  const move = nextMove(state, desired);
  const text =
    move.kind === 'rest' ? 'rest' : `${move.kind} ${move.kind === 'pass' ? move.state : move.act}`;
  expect(text).toBe(expected);
});

test.each([
  ['assigned', 'rest'],
  ['ready', 'rest'],
  ['preparing', 'act'],
  ['running', 'act'],
] as const)('%s with a state wanted that only a newer manager knows: %s', (state, expected) => {
  const move = nextMove(state, 'paused' as TaskState);
  expect(move.kind).toBe(expected);
  expect(move).not.toMatchObject({ act: 'stop' });
});

const container = { id: 'c', pid: 1, exitCode: 3 };
test.each([
  ['preparing', 'prepare', { kind: 'done' }, 'ready', 'prepared', ''],
  [
    'preparing',
    'prepare',
    { kind: 'fatal', message: 'No such image: x' },
    'rejected',
    'm',
    'No such image: x',
  ],
  ['starting', 'start', { kind: 'done' }, 'running', 'started', ''],
  ['starting', 'start', { kind: 'fatal', message: 'no' }, 'failed', 'm', 'no'],
  ['running', 'wait', { kind: 'exited', container }, 'failed', 'm', 'task: non-zero exit (3)'],
  [
    'running',
    'wait',
    {
      kind: 'exited',
      container: { ...container, exitCode: 137 },
      reason: 'dockerexec: unhealthy container',
    },
    'failed',
    'm',
    'task: non-zero exit (137): dockerexec: unhealthy container',
  ],
  [
    'running',
    'wait',
    { kind: 'exited', container: { ...container, exitCode: 0 } },
    'complete',
    'finished',
    '',
  ],
  ['running', 'stop', { kind: 'exited', container }, 'shutdown', 'shutdown', ''],
  ['accepted', 'stop', { kind: 'done' }, 'shutdown', 'shutdown', ''],
] as const)('%s after %s', (state, act, end, next, message, err) => {
  expect(settle(status(state), act, end, at(5))).toMatchObject({
    state: next,
    message,
    err,
    at: 5,
  });
});

test('what a task waited for in its preparation goes with it; what ended a task that ran stays', () => {
  const waits = { ...status('preparing'), err: 'fetching image web:1' };
  expect(settle(waits, 'prepare', { kind: 'done' }, at(5))).toMatchObject({
    state: 'ready',
    err: '',
  });
  for (const end of [{ kind: 'done' }, { kind: 'exited', container }] as const)
    expect(settle(waits, 'stop', end, at(5))).toMatchObject({ state: 'shutdown', err: '' });
  const unhealthy = { ...status('running'), err: 'unhealthy' };
  expect(settle(unhealthy, 'stop', { kind: 'done' }, at(5))).toMatchObject({ err: 'unhealthy' });
});

test('whatever happens, the state only grows, time does not go back, and a task that ended rests', () => {
  const ends: fc.Arbitrary<ActEnd> = fc.oneof(
    fc.constant({ kind: 'done' as const }),
    fc.constant({ kind: 'fatal' as const, message: 'no' }),
    fc.integer({ min: 0, max: 255 }).map((exitCode) => ({
      kind: 'exited' as const,
      container: { id: 'c', pid: 1, exitCode },
    })),
  );
  const step = fc.record({
    desired: fc.constantFrom(...states),
    end: ends,
    now: fc.integer({ min: 0, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let current = status('assigned');
      for (const { desired, end, now } of steps) {
        const move = nextMove(current.state, desired);
        if (move.kind === 'rest') continue;
        expect(isTerminal(current.state)).toBe(false);
        const next =
          move.kind === 'pass'
            ? passed(current, move, at(now))
            : settle(current, move.act, end, at(now));
        expect(taskStateRank[next.state]).toBeGreaterThan(taskStateRank[current.state]);
        expect(next.at).toBeGreaterThanOrEqual(current.at);
        current = next;
      }
    }),
  );
});

test('a task that is left alone with a healthy engine reaches running in six transitions', () => {
  let current = status('assigned');
  const seen: string[] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    const move = nextMove(current.state, 'running');
    if (move.kind === 'rest') break;
    current =
      move.kind === 'pass'
        ? passed(current, move, at(turn))
        : settle(current, move.act, { kind: 'done' }, at(turn));
    seen.push(current.message);
  }
  expect(seen).toEqual(['accepted', 'preparing', 'prepared', 'starting', 'started', 'finished']);
});
