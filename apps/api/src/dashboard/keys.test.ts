import { systemRandom } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { DashboardKeys, keyMs, tokenIdleMs } from './keys.ts';

let clock: FakeClock;
let keys: DashboardKeys;

beforeEach(() => {
  clock = new FakeClock();
  keys = new DashboardKeys(clock, systemRandom);
});

function token(): string {
  const opened = keys.open(keys.makeKey());
  if (opened === undefined) throw new Error('a new key opens nothing');
  return opened;
}

describe('a key', () => {
  test('opens once', () => {
    const key = keys.makeKey();
    expect(keys.open(key)).toMatch(/^[\w-]{43}$/);
    expect(keys.open(key)).toBeUndefined();
  });

  test('opens as long as it holds', async () => {
    const [inTime, late] = [keys.makeKey(), keys.makeKey()];
    await clock.advance(keyMs - 1);
    expect(keys.open(inTime)).toBeDefined();
    await clock.advance(1);
    expect(keys.open(late)).toBeUndefined();
  });

  test.each(['', 'guessed', '__proto__'])('is not %j', (guess) => {
    expect(keys.open(guess)).toBeUndefined();
    expect(keys.admits(guess)).toBe(false);
  });

  test('is no token, and a token is no key', () => {
    const key = keys.makeKey();
    expect(keys.admits(key)).toBe(false);
    expect(keys.open(token())).toBeUndefined();
    expect(keys.open(key)).toBeDefined();
  });
});

describe('a token', () => {
  test('holds as long as somebody uses it', async () => {
    const used = token();
    for (let times = 0; times < 3; times += 1) {
      await clock.advance(tokenIdleMs - 1);
      expect(keys.admits(used)).toBe(true);
    }
    await clock.advance(tokenIdleMs);
    expect(keys.admits(used)).toBe(false);
  });

  test('holds no more once it is given back, and others do', () => {
    const [mine, other] = [token(), token()];
    keys.close(mine);
    expect(keys.admits(mine)).toBe(false);
    expect(keys.admits(other)).toBe(true);
  });

  test('that nobody has used for longest gives way, so that they do not add up', () => {
    const first = token();
    const second = token();
    const others = Array.from({ length: 254 }, token);
    expect(keys.admits(first)).toBe(true);
    others.push(token());
    expect(keys.admits(first)).toBe(true);
    expect(keys.admits(second)).toBe(false);
    expect(others.every((one) => keys.admits(one))).toBe(true);
  });
});
