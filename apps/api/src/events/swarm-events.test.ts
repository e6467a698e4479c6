import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;
beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  for (const Name of ['one', 'two'])
    await site.ask('POST', '/secrets/create', { Name, Data: 'eA==' });
});
afterEach(() => site.close());

const all = new Map([['type', ['secret']]]);
const long = 1_000_000;

test('the past is what lies between two times', () => {
  const names = (since?: number, until?: number) =>
    site.events.past(at(since), at(until), all).map(({ Actor }) => Actor.Attributes['name']);
  const now = Math.floor(Date.now() / 1_000);
  expect(names()).toEqual(['one', 'two']);
  expect(names(now - long, now + long)).toEqual(['one', 'two']);
  expect(names(now + long)).toEqual([]);
  expect(names(undefined, now - long)).toEqual([]);
  expect(names(undefined, now + long)).toEqual(['one', 'two']);
});

test('a moment is in its own past', () => {
  const [first] = site.events.past(undefined, undefined, all);
  if (first === undefined) throw new Error('nothing happened');
  const moment = { seconds: first.time, nanos: first.timeNano - first.time * 1e9 };
  expect(site.events.past(moment, moment, all)).toContainEqual(first);
});

function at(seconds: number | undefined) {
  return seconds === undefined ? undefined : { seconds, nanos: 0 };
}
