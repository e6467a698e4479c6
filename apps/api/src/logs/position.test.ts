import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstTime, LogPosition } from './position.ts';

const at = (nanos: number) => ({ seconds: 0, nanos });

/** What the engine gives when a log is read from a time on. */
function since(log: readonly number[], nanos: number): readonly number[] {
  return log.filter((time) => time >= nanos);
}

describe('a log that is read on from where it was', () => {
  test('says nothing before its first line', () => {
    const position = new LogPosition();
    expect([position.last, position.resume(undefined)]).toEqual([undefined, undefined]);
  });

  test.each<[string, number[], number]>([
    ['in the middle of equal times', [1, 2, 2, 2, 2, 3], 3],
    ['at the end', [1, 2, 3], 3],
    ['all of one time', Array.from({ length: 100 }, () => 5), 60],
    ['long, with neighbours out of order', [...Array(90).keys()].map((n) => n ^ 3), 70],
    ['the clock of the node was put back a little', [10, 11, 12, 7, 8, 13, 14], 5],
  ])('%s', (_name, log, had) => {
    expect(readOn(log, had)).toEqual(log.slice(had));
  });

  test('wherever it was broken off, each line comes once', () => {
    const steps = fc.array(fc.constantFrom(0, 0, 1, 3, -2), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(steps, fc.nat(), (moves, seed) => {
        let time = 1_000;
        const log = moves.map((move) => {
          if (move > 0) time += move;
          return time + Math.min(move, 0);
        });
        const had = seed % (log.length + 1);
        expect(readOn(log, had)).toEqual(log.slice(had));
      }),
    );
  });

  test('lines that the node has thrown away meanwhile do not count as had', () => {
    const position = new LogPosition();
    for (const time of [1, 2, 3]) position.note(at(time));
    const overlap = position.resume(undefined);
    expect([3, 4, 5].filter((time) => overlap?.isNew(at(time)))).toEqual([4, 5]);
    const other = position.resume(undefined);
    expect([6, 7].filter((time) => other?.isNew(at(time)))).toEqual([6, 7]);
  });

  test('what tail left out of the first time does not come later', () => {
    const position = new LogPosition();
    for (const time of [1, 1, 2]) position.note(at(time));
    const overlap = position.resume(undefined);
    expect([1, 1, 1, 1, 2, 3].filter((time) => overlap?.isNew(at(time)))).toEqual([3]);
  });

  test('neighbours of one time are told apart', () => {
    const position = new LogPosition();
    expect([1, 1, 2].map((time) => position.note(at(time)).nth)).toEqual([0, 1, 0]);
    expect(position.note(undefined)).toEqual({ time: at(2), nth: 1 });
    expect(position.last).toEqual({ time: at(2), nth: 1 });
  });
});

/** The lines that are new when the first `had` were read before. */
function readOn(log: readonly number[], had: number): readonly number[] {
  const position = new LogPosition();
  for (const time of log.slice(0, had)) position.note(at(time));
  const overlap = position.resume(firstTime);
  if (overlap === undefined) return log;
  return since(log, overlap.since.nanos).filter((time) => overlap.isNew(at(time)));
}
