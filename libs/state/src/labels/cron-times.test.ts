import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpression } from './cron-expression.ts';
import { type CronTimes, lastTime, nextTime } from './cron-times.ts';
import { zoneOf } from './zone.ts';

function times(text: string, place = 'UTC'): CronTimes {
  const expression = parseExpression(text, 'seconds');
  const zone = zoneOf(place);
  if (expression.kind === 'invalid' || zone === undefined) throw new Error(`${text} ${place}`);
  return { expression, zone };
}

function following(it: CronTimes, after: string, count: number): string[] {
  const found: string[] = [];
  let at: number | undefined = Date.parse(after);
  for (let taken = 0; taken < count; taken += 1) {
    at = at === undefined ? undefined : nextTime(it, at);
    found.push(at === undefined ? 'never' : new Date(at).toISOString().replace('.000Z', 'Z'));
  }
  return found;
}

describe('the next time of an expression', () => {
  it.each([
    ['*/15 * * * *', '2026-01-01T00:00:00Z', ['2026-01-01T00:15:00Z', '2026-01-01T00:30:00Z']],
    ['@hourly', '2026-01-01T00:59:59Z', ['2026-01-01T01:00:00Z', '2026-01-01T02:00:00Z']],
    ['0 3 * * *', '2026-01-01T03:00:00Z', ['2026-01-02T03:00:00Z', '2026-01-03T03:00:00Z']],
    ['30 4 1,15 * *', '2026-01-02T00:00:00Z', ['2026-01-15T04:30:00Z', '2026-02-01T04:30:00Z']],
    // As with swarm-cronjob, whose weeks end on Saturday.
    [
      '0 0 * * wed/2',
      '2026-01-02T12:00:00Z',
      ['2026-01-07T00:00:00Z', '2026-01-09T00:00:00Z', '2026-01-14T00:00:00Z'],
    ],
    ['0 0 * * 7/2', '2026-01-02T12:00:00Z', ['2026-01-04T00:00:00Z', '2026-01-11T00:00:00Z']],
    ['0 0 * * mon-fri', '2026-01-02T12:00:00Z', ['2026-01-05T00:00:00Z', '2026-01-06T00:00:00Z']],
    ['0 0 * * 7', '2026-01-01T00:00:00Z', ['2026-01-04T00:00:00Z', '2026-01-11T00:00:00Z']],
    ['0 0 13 * FRI', '2026-01-10T00:00:00Z', ['2026-01-13T00:00:00Z', '2026-01-16T00:00:00Z']],
    ['0 0 */100,1-7 * MON', '2026-01-06T00:00:00Z', ['2026-02-02T00:00:00Z']],
    ['5/20 * * * *', '2026-01-01T00:05:00Z', ['2026-01-01T00:25:00Z', '2026-01-01T00:45:00Z']],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', ['2028-02-29T00:00:00Z', '2032-02-29T00:00:00Z']],
    ['0 0 1 JAN,Jul *', '2026-01-01T00:00:00Z', ['2026-07-01T00:00:00Z', '2027-01-01T00:00:00Z']],
    ['*/20 * * * * *', '2026-01-01T00:00:00Z', ['2026-01-01T00:00:20Z', '2026-01-01T00:00:40Z']],
    ['15 30 12 * * ?', '2026-01-01T00:00:00Z', ['2026-01-01T12:30:15Z', '2026-01-02T12:30:15Z']],
    ['@every 90m', '2026-01-01T00:00:00Z', ['2026-01-01T01:30:00Z', '2026-01-01T03:00:00Z']],
    ['0 0 31 2 *', '2026-01-01T00:00:00Z', ['never']],
  ])('%s after %s', (text, after, expected) => {
    expect(following(times(text), after, expected.length)).toEqual(expected);
  });

  it('comes within the second after a broken one', () => {
    expect(nextTime(times('* * * * * *'), 1_500)).toBe(2_000);
  });
});

// New York: on 8 March 2026 the clock jumps from 2:00 to 3:00 (7:00 UTC), on 1 November it shows
// 1:00 to 2:00 twice (from 5:00 and from 6:00 UTC).
describe('a change of the clock', () => {
  it.each([
    [
      'a fixed time that is jumped over comes at the jump, once',
      '30 2 * * *',
      '2026-03-07T08:00:00Z',
      ['2026-03-08T07:00:00Z', '2026-03-09T06:30:00Z'],
    ],
    [
      'several that are jumped over come at the jump together',
      '0,20,40 2 * * *',
      '2026-03-08T06:00:00Z',
      ['2026-03-08T07:00:00Z', '2026-03-09T06:00:00Z'],
    ],
    [
      'a fixed time that is shown twice comes once',
      '30 1 * * *',
      '2026-11-01T00:00:00Z',
      ['2026-11-01T05:30:00Z', '2026-11-02T06:30:00Z'],
    ],
    [
      'a fixed time keeps its place on the clock',
      '0 9 * * *',
      '2026-03-07T12:00:00Z',
      ['2026-03-07T14:00:00Z', '2026-03-08T13:00:00Z'],
    ],
    [
      'every hour is every elapsed hour, forward',
      '0 * * * *',
      '2026-03-08T05:30:00Z',
      ['2026-03-08T06:00:00Z', '2026-03-08T07:00:00Z', '2026-03-08T08:00:00Z'],
    ],
    [
      'every hour is every elapsed hour, back',
      '0 * * * *',
      '2026-11-01T04:30:00Z',
      ['2026-11-01T05:00:00Z', '2026-11-01T06:00:00Z', '2026-11-01T07:00:00Z'],
    ],
    [
      'every half hour within the repeated hour comes in both',
      '*/30 1 * * *',
      '2026-11-01T05:10:00Z',
      ['2026-11-01T05:30:00Z', '2026-11-01T06:00:00Z', '2026-11-01T06:30:00Z'],
    ],
    [
      'also when the next like it is far away',
      '*/30 1 1 6,11 *',
      '2026-11-01T05:31:00Z',
      ['2026-11-01T06:00:00Z', '2026-11-01T06:30:00Z', '2027-06-01T05:00:00Z'],
    ],
  ])('%s', (_rule, text, after, expected) => {
    const it = times(text, 'America/New_York');
    expect(following(it, after, expected.length)).toEqual(expected);
  });

  it('of half an hour, on Lord Howe Island', () => {
    const it = times('15 2 * * *', 'Australia/Lord_Howe');
    expect(following(it, '2026-10-03T00:00:00Z', 2)).toEqual([
      '2026-10-03T15:30:00Z',
      '2026-10-04T15:15:00Z',
    ]);
  });
});

const expressions = fc.constantFrom(
  '* * * * *',
  '*/7 * * * *',
  '0 * * * *',
  '30 2 * * *',
  '0,30 1-3 * * *',
  '15 */2 * * 1-5',
  '0 0 1 * *',
  '@every 50m',
);
const places = fc.constantFrom('UTC', 'America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe');
const anInstant = fc.integer({
  min: Date.parse('2026-01-01T00:00:00Z') / 1_000,
  max: Date.parse('2027-01-01T00:00:00Z') / 1_000,
});

describe('times', () => {
  it('go forward, and every one of them shows on the clock unless it was jumped over', () => {
    fc.assert(
      fc.property(expressions, places, anInstant, (text, place, start) => {
        const it = times(text, place);
        const after = start * 1_000;
        const at = nextTime(it, after);
        expect(at).toBeGreaterThan(after);
        if (at === undefined || it.expression.kind === 'interval') return;
        // Nothing between: asked from just before it, the answer is the same.
        expect(nextTime(it, at - 1_000)).toBe(at);
        const wall = new Date(at + it.zone(at));
        const jumped = it.zone(at) !== it.zone(at - 1_000);
        const { minutes, hours } = it.expression;
        const shown = minutes.includes(wall.getUTCMinutes()) && hours.includes(wall.getUTCHours());
        expect(shown || jumped).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('have a last one within a span that is the one found by walking', () => {
    const span = fc.integer({ min: 0, max: 2 * 86_400 });
    fc.assert(
      fc.property(expressions, places, anInstant, span, (text, place, start, seconds) => {
        const it = times(text, place);
        const after = start * 1_000;
        const until = after + seconds * 1_000;
        let walked: number | undefined;
        for (let at = nextTime(it, after); at !== undefined && at <= until; at = nextTime(it, at))
          walked = at;
        expect(lastTime(it, after, until)).toBe(walked);
      }),
      { numRuns: 60 },
    );
  });
});
