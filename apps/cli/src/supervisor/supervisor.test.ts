import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Instant, silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { buildOf } from '../host/build.ts';
import type { ProcessPlan } from '../host/plan.ts';
import { lastWords } from './last-words.ts';
import { rotate } from './log-file.ts';
import { isAlive } from './orphans.ts';
import { Supervisor } from './supervisor.ts';

const tiny = join(import.meta.dirname, 'testing/tiny.mjs');
const waiting = { timeout: 15_000, interval: 10 };
const hourMs = 3_600_000;

let directory: string;
let supervisor: Supervisor | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-supervisor-'));
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = undefined;
  rmSync(directory, { recursive: true });
});

function plan(name: string, how = 'lives', program = process.execPath): ProcessPlan {
  return { name, program, args: [tiny, how], bundle: tiny, env: {} };
}

function supervise(...plans: readonly ProcessPlan[]): Supervisor {
  return superviseBy(systemClock, ...plans);
}

function superviseBy(clock: Clock, ...plans: readonly ProcessPlan[]): Supervisor {
  const logDirectory = join(directory, 'logs');
  supervisor = new Supervisor({ plans, logDirectory, clock, logger: silentLogger });
  supervisor.start();
  return supervisor;
}

const log = (name: string): string => readFileSync(join(directory, 'logs', `${name}.log`), 'utf8');

function statusOf(name: string) {
  const found = supervisor?.status().find((one) => one.process === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

test('what is killed lives again with another pid', async () => {
  supervise(plan('a'), plan('b'));
  const before = statusOf('a').pid ?? 0;
  const untouched = statusOf('b').pid;
  process.kill(before, 'SIGKILL');
  await vi.waitFor(() => {
    const now = statusOf('a');
    expect(now.state).toBe('running');
    expect(now.pid).not.toBe(before);
  }, waiting);
  expect(statusOf('a')).toMatchObject({ restarts: 1 });
  expect(statusOf('a').lastExit).toMatch(/^SIGKILL/);
  expect(statusOf('b')).toMatchObject({ restarts: 0, pid: untouched });
});

test('what was built anew is of the new build once it is started again', async () => {
  const bundle = join(directory, 'main.mjs');
  copyFileSync(tiny, bundle);
  supervise({ ...plan('a'), args: [bundle, 'lives'], bundle });
  const former = buildOf(bundle);
  expect(statusOf('a').build).toBe(former);
  writeFileSync(bundle, `${readFileSync(bundle, 'utf8')}\n`);
  expect(buildOf(bundle)).not.toBe(former);
  expect(statusOf('a').build).toBe(former);
  process.kill(statusOf('a').pid ?? 0, 'SIGKILL');
  await vi.waitFor(
    () => expect(statusOf('a')).toMatchObject({ restarts: 1, state: 'running' }),
    waiting,
  );
  expect(statusOf('a').build).toBe(buildOf(bundle));
});

test('what keeps dying is started again and again, each time later', async () => {
  supervise(plan('a', 'dies'));
  await vi.waitFor(() => expect(statusOf('a').restarts).toBeGreaterThanOrEqual(3), waiting);
  expect(statusOf('a').lastExit).toMatch(/^code 3: tiny dies \d+$/);
  expect(log('a').match(/tiny dies/g)?.length).toBeGreaterThanOrEqual(3);
});

test.each([
  ['that is not there', '/no/such/program', 'ENOENT'],
  // Node throws for this one instead of telling of an error, as where there is no memory left.
  ['that cannot be one', '/dev/null/program', 'ENOTDIR'],
])('a program %s is waited for like a death', async (_what, program, why) => {
  supervise(plan('a', 'lives', program), plan('b'));
  await vi.waitFor(() => expect(statusOf('a').restarts).toBeGreaterThanOrEqual(2), waiting);
  expect(statusOf('a')).toMatchObject({ pid: null, lastExit: expect.stringContaining(why) });
  expect(statusOf('b')).toMatchObject({ state: 'running', restarts: 0 });
});

test('how long a process has run does not follow the time of day', async () => {
  let now = systemClock.now();
  superviseBy({ ...systemClock, now: () => now }, plan('a'));
  for (const leapMs of [-hourMs, 2 * hourMs]) {
    now = (now + leapMs) as Instant;
    expect(statusOf('a').state).toBe('running');
    expect(statusOf('a').uptimeMs).toBeGreaterThanOrEqual(0);
    expect(statusOf('a').uptimeMs).toBeLessThan(hourMs);
  }
});

test('a stop ends all, in reverse order, and starts none again', async () => {
  const running = supervise(plan('a'), plan('b'), plan('c', 'dies'));
  await vi.waitFor(() => {
    expect(log('a')).toContain('tiny lives');
    expect(log('b')).toContain('tiny lives');
  }, waiting);
  const pids = [statusOf('a').pid ?? 0, statusOf('b').pid ?? 0];
  const stopped = running.stop();
  // The last one goes first: while it still lives, the first was not even asked.
  await vi.waitFor(() => {
    if (statusOf('b').state !== 'stopped') expect(statusOf('a').state).toBe('running');
    else expect(['stopping', 'stopped']).toContain(statusOf('a').state);
  }, waiting);
  await stopped;
  expect(running.status().map(({ state }) => state)).toEqual(['stopped', 'stopped', 'stopped']);
  expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
  expect(log('a')).toContain('tiny ends');
});

test('what does not hear SIGTERM is killed when its time is over', async () => {
  const fast = {
    ...systemClock,
    after: (delayMs: number, fire: () => void) => systemClock.after(delayMs / 100, fire),
  };
  const deaf = new Supervisor({
    plans: [plan('a', 'deaf')],
    logDirectory: join(directory, 'logs'),
    clock: fast,
    logger: silentLogger,
  });
  deaf.start();
  await vi.waitFor(() => expect(log('a')).toContain('tiny deaf'), waiting);
  const pid = deaf.status()[0]?.pid ?? 0;
  await deaf.stop();
  expect(isAlive(pid)).toBe(false);
  expect(deaf.status()[0]?.lastExit).toBe('SIGKILL');
});

test.each([
  ['', ''],
  ['{"level":"info","event":"started"}\n', ''],
  [
    '{"level":"error","event":"start_failed","error":{"message":"no disk"}}\n{"level":"info"}\n',
    'no disk',
  ],
  ['{"level":"error","event":"stop_forced"}\n', 'stop_forced'],
  ['{"level":"error","event":"identity_broken","reason":"no key"}\n', 'no key'],
  ['{"level":"error","event":"odd","error":7}\n', 'odd'],
  ['{"level":"info"}\nSegmentation fault\n\n', 'Segmentation fault'],
  [`${'x'.repeat(20_000)}\nthe end\n`, 'the end'],
])('the last words of a log are found (%#)', (text, words) => {
  const path = join(directory, 'a.log');
  writeFileSync(path, text);
  expect(lastWords(path)).toBe(words);
});

test('last words are those since the process started, in a log that may have been put aside', () => {
  const path = join(directory, 'a.log');
  writeFileSync(path, 'of another\nof this one\n');
  expect(lastWords(path, 'of another\n'.length)).toBe('of this one');
  expect(lastWords(path, 'of another\nof this one\n'.length)).toBe('');
  expect(lastWords(path, 1_000)).toBe('of this one');
});

test('a log that is not there has no last words', () => {
  expect(lastWords(join(directory, 'none'))).toBe('');
});

test('a log is put aside when it is large, and only so many are kept', async () => {
  const path = join(directory, 'a.log');
  for (const round of [1, 2, 3, 4, 5]) {
    writeFileSync(path, `round ${round}`);
    expect(await rotate(path, 5)).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('');
    expect(await rotate(path, 5)).toBe(false);
  }
  const kept = [1, 2, 3].map((at) => readFileSync(`${path}.${at}`, 'utf8'));
  expect(kept).toEqual(['round 5', 'round 4', 'round 3']);
  expect(() => readFileSync(`${path}.4`)).toThrow('ENOENT');
});

test('a log that cannot be put aside stays, and so do the older ones but the oldest', async () => {
  const path = join(directory, 'a.log');
  for (const at of [1, 2, 3]) writeFileSync(`${path}.${at}`, `older ${at}`);
  writeFileSync(path, 'present');
  mkdirSync(`${path}.new`);
  for (let round = 0; round < 2; round += 1) await expect(rotate(path, 5)).rejects.toThrow();
  const left = ['', '.1', '.2'].map((end) => readFileSync(`${path}${end}`, 'utf8'));
  expect(left).toEqual(['present', 'older 1', 'older 2']);
  rmSync(`${path}.new`, { recursive: true });
  expect(await rotate(path, 5)).toBe(true);
  const kept = [1, 2, 3].map((at) => readFileSync(`${path}.${at}`, 'utf8'));
  expect(kept).toEqual(['present', 'older 1', 'older 2']);
});
