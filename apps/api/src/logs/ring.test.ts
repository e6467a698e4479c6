import { expect, test } from 'vitest';
import { LogRing, type RingLine } from './ring.ts';

const overhead = 256;

function line(nanos: number, nth = 0, bytes = 0): RingLine {
  const time = { seconds: 0, nanos };
  const data = Buffer.alloc(bytes);
  return { time, nth, line: { taskId: 't', nodeId: 'n', stream: 1, time, data, attributes: '' } };
}

test('the oldest lines are given up; the newest stays however long it is', () => {
  const ring = new LogRing();
  for (let nanos = 0; nanos < 1_000; nanos += 1) ring.push(line(nanos), 10 * overhead);
  expect([ring.first, ring.next, ring.oldest?.time.nanos]).toEqual([990, 1_000, 990]);
  expect([ring.at(989), ring.at(995)?.time.nanos, ring.at(1_000)]).toEqual([
    undefined,
    995,
    undefined,
  ]);
  ring.push(line(1_000, 0, 100 * overhead), 10 * overhead);
  expect([ring.first, ring.next, ring.newest?.time.nanos]).toEqual([1_000, 1_001, 1_000]);
});

test('a line is found by its time and its place among its neighbours', () => {
  const ring = new LogRing();
  for (const each of [line(1), line(2), line(2, 1), line(4)]) ring.push(each, 1 << 20);
  const find = (nanos: number, nth: number) => ring.find({ time: { seconds: 0, nanos }, nth });
  expect([find(2, 0), find(2, 1), find(2, 2), find(3, 0)]).toEqual([1, 2, undefined, undefined]);
  expect([0, 2, 3, 9].map((nanos) => ring.after({ seconds: 0, nanos }))).toEqual([0, 3, 3, 4]);
  ring.clear();
  expect([ring.first, ring.next, ring.newest, ring.oldest]).toEqual([0, 0, undefined, undefined]);
});
