import type { SwarmEvent } from '@shoal/docker-api';
import { FakeClock } from '@shoal/stage/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { MergedEvents, pastMsMax, pastOverMs } from './merged-events.ts';

let clock: FakeClock;
let told: string;
let merged: MergedEvents;
beforeEach(() => {
  clock = new FakeClock();
  told = '';
  merged = new MergedEvents(clock, (line) => {
    told += line.toString();
  });
});

const swarm = (timeNano: number): void => merged.tell({ timeNano } as SwarmEvent);
/** Lines of the engine with these times. */
const engine = (...times: readonly number[]): void =>
  merged.passOn(Buffer.from(times.map((timeNano) => line({ timeNano, from: 'engine' })).join('')));
const line = (event: object): string => `${JSON.stringify(event)}\n`;
const order = (): number[] =>
  told
    .split('\n')
    .filter(Boolean)
    .map((text) => (JSON.parse(text) as SwarmEvent).timeNano);

describe('the past', () => {
  test('comes in the order of time, however the lines of the engine are cut into pieces', () => {
    for (const time of [1, 3, 5, 9]) swarm(time);
    expect(told).toBe('');
    merged.begin(true);
    engine(2, 4);
    engine(4, 6);
    engine(7);
    expect(order()).toEqual([1, 2, 3, 4, 4, 5, 6, 7]);
    merged.pastOver();
    expect(order()).toEqual([1, 2, 3, 4, 4, 5, 6, 7, 9]);
  });

  test('is over when the engine has said nothing for a while', async () => {
    swarm(1);
    merged.begin(true);
    await clock.advance(pastOverMs - 1);
    engine(2);
    swarm(3);
    await clock.advance(pastOverMs - 1);
    expect(order()).toEqual([1, 2]);
    await clock.advance(1);
    expect(order()).toEqual([1, 2, 3]);
    swarm(5);
    engine(4);
    expect(order()).toEqual([1, 2, 3, 5, 4]);
  });

  test('is over in the end, also of an engine that never pauses and whose clock is behind', async () => {
    merged.begin(true);
    swarm(1_000_000);
    for (let at = 0; at < pastMsMax; at += pastOverMs / 2) {
      engine(at);
      await clock.advance(pastOverMs / 2);
    }
    expect(order().at(-1)).toBe(1_000_000);
    swarm(1_000_001);
    expect(order().at(-1)).toBe(1_000_001);
    expect(clock.timers).toBe(0);
  });

  test('is not waited for where it was not asked for', () => {
    swarm(1);
    merged.begin(false);
    swarm(2);
    engine(1);
    expect(order()).toEqual([1, 2, 1]);
    expect(clock.timers).toBe(0);
  });

  test('of an engine without times holds nothing up', () => {
    swarm(1);
    merged.begin(true);
    merged.passOn(Buffer.from('nonsense\n'));
    expect(told).toBe(`${line({ timeNano: 1 })}nonsense\n`);
  });
});

test('who has left leaves no timer', () => {
  merged.begin(true);
  merged.stop();
  expect(clock.timers).toBe(0);
});
