import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Monotonic, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFileLock } from './file-lock.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-file-lock-'));
  path = join(directory, '.update');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Its waits are over at once. */
function fakeClock(): Clock & { readonly waitedMs: () => number } {
  let now = 0;
  return {
    ...systemClock,
    monotonic: () => now as Monotonic,
    waitedMs: () => now,
    after: (delayMs, fire) => {
      now += delayMs;
      return systemClock.after(0, fire);
    },
  };
}

/** The number of a process that is no more. */
function deadPid(): number {
  return Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }));
}

test('one works at a time, and what they throw comes out', async () => {
  let working = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    working += 1;
    most = Math.max(most, working);
    await new Promise((resolve) => setImmediate(resolve));
    working -= 1;
  };
  await Promise.all(Array.from({ length: 5 }, () => withFileLock(path, work)));
  expect(most).toBe(1);
  await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(path)).toBe(false);
});

test('a holder whose process is gone does not hold up anybody', async () => {
  writeFileSync(path, `${readlinkSync('/proc/self/ns/pid')} ${deadPid()} abc`);
  const clock = fakeClock();
  expect(await withFileLock(path, async () => 'done', clock)).toBe('done');
  expect(clock.waitedMs()).toBe(0);
});

test('of two who find the same holder gone one works at a time', async () => {
  const [space, pid] = [readlinkSync('/proc/self/ns/pid'), deadPid()];
  let working = 0;
  const together: number[] = [];
  const work = async (): Promise<void> => {
    working += 1;
    await new Promise((resolve) => setTimeout(resolve, 2));
    together.push(working);
    working -= 1;
  };
  for (let round = 0; round < 250; round += 1) {
    writeFileSync(path, `${space} ${pid} ${round}`);
    await Promise.all([1, 2].map(() => withFileLock(path, work)));
  }
  expect(Math.max(...together)).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
}, 60_000);

test.each(['pid:[1] 999999 abc', ''])(
  'a holder of another container, or one without name (%j), is waited for and then passed over',
  async (holder) => {
    writeFileSync(path, holder);
    const clock = fakeClock();
    expect(await withFileLock(path, async () => 'done', clock)).toBe('done');
    expect(clock.waitedMs()).toBeGreaterThan(10_000);
    expect(clock.waitedMs()).toBeLessThan(10_100);
  },
);

test('a lock that others keep taking is not to be had', async () => {
  let others = 0;
  const clock = fakeClock();
  const busy: Clock = {
    ...clock,
    after: (delayMs, fire) => {
      others += 1;
      writeFileSync(path, `pid:[1] 7 ${others}`);
      return clock.after(delayMs * 20, fire);
    },
  };
  writeFileSync(path, 'pid:[1] 7 first');
  await expect(withFileLock(path, async () => 'done', busy)).rejects.toThrow('held by another');
});

test('who was taken for dead leaves the lock to who holds it now', async () => {
  await withFileLock(path, async () => writeFileSync(path, 'pid:[1] 7 other'));
  expect(readFileSync(path, 'utf8')).toBe('pid:[1] 7 other');
});
