import type { Instant } from '@shoal/runtime';
import type { TaskState, TaskStatus } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messagesInFlightMax, Reporter, reportsBytesMax } from './reporter.ts';

const status = (state: TaskState): TaskStatus => ({
  state,
  at: 0 as Instant,
  message: '',
  err: '',
});
const told = (message: ReturnType<Reporter['next']>) =>
  message?.reports.map(({ taskId, status: bytes }) => [taskId, JSON.parse(`${bytes}`).state]);

test('what comes while messages are under way is summed up to the newest', () => {
  const reporter = new Reporter();
  reporter.put('a', status('accepted'), false);
  expect(told(reporter.next())).toEqual([['a', 'accepted']]);
  reporter.put('b', status('accepted'), false);
  reporter.next();
  reporter.put('a', status('preparing'), false);
  reporter.put('a', status('ready'), false);
  expect(reporter.next()).toBeUndefined();
  reporter.acknowledged(1);
  expect(told(reporter.next())).toEqual([['a', 'ready']]);
});

test('a status that is soon overtaken waits, for what must not wait or until it is released', () => {
  const reporter = new Reporter();
  reporter.put('a', status('ready'), false);
  reporter.put('a', status('starting'), true);
  reporter.put('b', status('preparing'), true);
  expect(reporter.holds).toBe(true);
  expect(reporter.next()).toBeUndefined();
  reporter.put('b', status('rejected'), false);
  expect(reporter.holds).toBe(false);
  expect(told(reporter.next())).toEqual([
    ['a', 'starting'],
    ['b', 'rejected'],
  ]);
  reporter.put('c', status('accepted'), true);
  expect(reporter.next()).toBeUndefined();
  reporter.release();
  expect(told(reporter.next())).toEqual([['c', 'accepted']]);
  expect(reporter.holds).toBe(false);
});

test('a message holds no more bytes than a dispatcher takes; what is left goes into the next', () => {
  const reporter = new Reporter();
  const long = { ...status('failed'), err: 'x'.repeat(reportsBytesMax / 3) };
  for (const taskId of ['a', 'b', 'c', 'd']) reporter.put(taskId, long, false);
  reporter.put('e', { ...status('failed'), err: 'x'.repeat(reportsBytesMax) }, false);
  const heard = [];
  for (let message = reporter.next(); message !== undefined; message = reporter.next()) {
    heard.push(message.reports.map(({ taskId }) => taskId));
    reporter.acknowledged(message.sequence);
  }
  expect(heard).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
});

test('a new session hears again what was not acknowledged', () => {
  const reporter = new Reporter();
  reporter.put('a', status('ready'), false);
  reporter.put('b', status('ready'), true);
  reporter.next();
  reporter.put('a', status('running'), false);
  reporter.restart();
  const message = reporter.next();
  expect(message?.sequence).toBe(1);
  expect(told(message)?.toSorted()).toEqual([
    ['a', 'running'],
    ['b', 'ready'],
  ]);
});

test('whatever gets lost, in the end the newest of every task was acknowledged', () => {
  const step = fc.oneof(
    fc.record({ put: fc.constantFrom('a', 'b', 'c'), isPassing: fc.boolean() }),
    fc.constant('release' as const),
    fc.constant('send' as const),
    fc.constant('acknowledge' as const),
    fc.constant('lose' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const reporter = new Reporter();
      const newest = new Map<string, number>();
      const heard = new Map<string, number>();
      let count = 0;
      let unread: NonNullable<ReturnType<Reporter['next']>>[] = [];
      const hear = (): void => {
        const message = unread.shift();
        if (message === undefined) return;
        for (const { taskId, status: bytes } of message.reports) {
          heard.set(taskId, JSON.parse(`${bytes}`).at);
        }
        reporter.acknowledged(message.sequence);
      };
      const send = (): void => {
        const message = reporter.next();
        if (message !== undefined) unread.push(message);
        expect(unread.length).toBeLessThanOrEqual(messagesInFlightMax);
      };
      for (const each of steps) {
        if (each === 'send') send();
        else if (each === 'acknowledge') hear();
        else if (each === 'release') reporter.release();
        else if (each === 'lose') {
          unread = [];
          reporter.restart();
        } else {
          count += 1;
          newest.set(each.put, count);
          reporter.put(each.put, { ...status('running'), at: count as Instant }, each.isPassing);
        }
      }
      unread = [];
      reporter.restart();
      while (reporter.pending > 0) {
        send();
        hear();
      }
      expect(heard).toEqual(newest);
    }),
  );
});
