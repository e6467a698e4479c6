import type { Instant, Monotonic } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { TaskState, TaskStatus } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { registrationEveryMs, registrationsMax } from './limits.ts';
import { Liveness } from './liveness.ts';
import { NodeAllowance } from './node-allowance.ts';
import { Acknowledgements, isNews, readStatus } from './status-reports.ts';

test('three registrations are admitted in a row, then one a second; refused ones cost nothing', () => {
  const limit = new NodeAllowance(registrationsMax, registrationEveryMs);
  const admit = (ms: number): boolean => limit.admit('n', ms as Monotonic);
  for (let turn = 0; turn < registrationsMax; turn += 1) expect(admit(0)).toBe(true);
  expect(admit(10)).toBe(false);
  expect(admit(registrationEveryMs - 1)).toBe(false);
  expect(admit(registrationEveryMs)).toBe(true);
  expect(admit(registrationEveryMs + 10)).toBe(false);
  expect(limit.admit('other', 0 as Monotonic)).toBe(true);
  const muchLater = 100 * registrationEveryMs;
  for (let turn = 0; turn < registrationsMax; turn += 1) expect(admit(muchLater)).toBe(true);
  expect(admit(muchLater)).toBe(false);
});

test('a node is lost when its grace has passed since it was last heard of, not before', async () => {
  const clock = new FakeClock();
  const lost: string[] = [];
  const liveness = new Liveness(clock, (nodeId) => lost.push(nodeId));
  liveness.heard('a', 100);
  liveness.expect('b', 150);
  await clock.advance(90);
  liveness.heard('a', 100);
  liveness.expect('b', 1_000);
  await clock.advance(65);
  expect(lost).toEqual(['b']);
  await clock.advance(30);
  expect(lost).toEqual(['b']);
  await clock.advance(10);
  expect(lost).toEqual(['b', 'a']);
  expect(clock.timers).toBe(0);
});

test('a shorter grace counts at once, and who is forgotten is not lost', async () => {
  const clock = new FakeClock();
  const lost: string[] = [];
  const liveness = new Liveness(clock, (nodeId) => lost.push(nodeId));
  liveness.heard('a', 10_000);
  liveness.heard('a', 50);
  liveness.heard('b', 50);
  liveness.forget('b');
  await clock.advance(60);
  expect(lost).toEqual(['a']);
});

test('after this process stood still, nodes get their grace again', async () => {
  const clock = new FakeClock();
  let late = 0;
  const stalling = {
    now: () => clock.now(),
    monotonic: () => (clock.monotonic() + late) as Monotonic,
    after: clock.after.bind(clock),
  };
  const lost: string[] = [];
  const liveness = new Liveness(stalling, (nodeId) => lost.push(nodeId));
  liveness.heard('a', 100);
  late = 5_000;
  await clock.advance(100);
  expect(lost).toEqual([]);
  await clock.advance(100);
  expect(lost).toEqual(['a']);
});

const status = (state: TaskState, at = 0, message = ''): TaskStatus => ({
  state,
  at: at as Instant,
  message,
  err: '',
});

test.each([
  ['a later state', status('assigned'), status('accepted'), true],
  ['an earlier state', status('ready'), status('preparing'), false],
  ['the same again', status('running', 5), status('running', 5), false],
  ['other words', status('preparing', 5, 'a'), status('preparing', 6, 'b'), true],
  ['older words', status('preparing', 5, 'a'), status('preparing', 4, 'b'), false],
  ['anything of a stopped task', status('complete'), status('shutdown'), false],
] as const)('%s', (_name, current, next, news) => {
  expect(isNews(current, next)).toBe(news);
});

const published = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' };

test.each([
  ['{}'],
  ['nonsense'],
  [JSON.stringify(status('assigned'))],
  [JSON.stringify({ ...status('running'), ports: [{ ...published, PublishedPort: 70_000 }] })],
])('%s is not a report', (text) => {
  expect(readStatus({ taskId: 't', status: Buffer.from(text) })).toBeUndefined();
});

test('of a long sentence the beginning is kept, and the report counts', () => {
  const text = JSON.stringify({ ...status('failed'), err: 'x'.repeat(100_000) });
  const read = readStatus({ taskId: 't', status: Buffer.from(text) });
  expect(read?.state).toBe('failed');
  expect(read?.err).toBe('x'.repeat(4_096));
});

test('messages are acknowledged in order, each once, when nothing before them is open', () => {
  const message = fc.integer({ min: 0, max: 3 });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 10 }),
      fc.infiniteStream(fc.nat()),
      (sizes, dice) => {
        const acknowledgements = new Acknowledgements();
        const open: number[] = [];
        const closed = new Set<number>();
        let last = 0;
        const check = (): void => {
          const taken = acknowledgements.take();
          let complete = 0;
          while (closed.has(complete + 1)) complete += 1;
          expect(taken ?? last).toBe(complete);
          expect(complete >= last).toBe(true);
          last = complete;
        };
        for (const [at, size] of sizes.entries()) {
          acknowledgements.received(at + 1, size);
          open.push(...Array.from({ length: size }, () => at + 1));
          if (size === 0) closed.add(at + 1);
          check();
        }
        while (open.length > 0) {
          const [sequence = 0] = open.splice((dice.next().value ?? 0) % open.length, 1);
          acknowledgements.settled(sequence);
          if (!open.includes(sequence)) closed.add(sequence);
          check();
        }
        expect(acknowledgements.openReports).toBe(0);
      },
    ),
  );
});
