import type { CronFields, CronInterval } from './cron-expression.ts';
import { changeBetween, instantOf, type Zone } from './zone.ts';

/** When something is due: an expression on the clock of a zone. */
export interface CronTimes {
  readonly expression: CronFields | CronInterval;
  readonly zone: Zone;
}

const secondMs = 1_000;
const dayMs = 86_400_000;
/** A schedule that names no day within so many days never comes: a 29 February that is a Sunday does. */
const daysMax = 41 * 366;
/** Longest time for which a clock that is set back shows what it has shown before, milliseconds. */
const repeatedMsMax = 3 * 3_600_000;
/** Wall times looked at until one is after the given instant; those of a repeated hour are not. */
const candidatesMax = 10_000;
/** Changes of the clock passed on the way to the next time. */
const changesMax = 64;

/** The first time after `afterMs` (exclusive), in milliseconds of whole seconds; undefined when there is none. */
export function nextTime({ expression, zone }: CronTimes, afterMs: number): number | undefined {
  if (expression.kind === 'interval') return wholeSecond(afterMs) + expression.everyMs;
  return expression.isFixed
    ? nextOnTheClock(expression, zone, afterMs)
    : nextElapsed(expression, zone, afterMs);
}

/**
 * The last time within `(afterMs, untilMs]`; undefined when there is none. Found by halving, so that
 * a schedule of every second and one of every year cost the same.
 */
export function lastTime(times: CronTimes, afterMs: number, untilMs: number): number | undefined {
  const isUpTo = (at: number | undefined): at is number => at !== undefined && at <= untilMs;
  let found = nextTime(times, afterMs);
  if (!isUpTo(found)) return undefined;
  if (times.expression.kind === 'interval') {
    const { everyMs } = times.expression;
    return found + Math.floor((untilMs - found) / everyMs) * everyMs;
  }
  let low = found;
  let high = wholeSecond(untilMs);
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2 / secondMs) * secondMs;
    const next = nextTime(times, middle - secondMs);
    if (isUpTo(next)) {
      found = next;
      low = Math.max(next, middle);
    } else high = middle - secondMs;
  }
  return found;
}

function wholeSecond(atMs: number): number {
  return Math.floor(atMs / secondMs) * secondMs;
}

/** A time that the clock jumps over comes at the jump, one that it shows twice comes once. */
function nextOnTheClock(fields: CronFields, zone: Zone, afterMs: number): number | undefined {
  const from = wholeSecond(afterMs);
  let wall = from + zone(from);
  for (let tries = 0; tries < candidatesMax; tries += 1) {
    const next = nextWallTime(fields, wall);
    if (next === undefined) return undefined;
    const at = instantOf(zone, next);
    if (at > afterMs) return at;
    wall = next + secondMs;
  }
  return undefined;
}

/** Every instant whose wall time fits: both of an hour that is repeated, none of one that is jumped over. */
function nextElapsed(fields: CronFields, zone: Zone, afterMs: number): number | undefined {
  let from = wholeSecond(afterMs) + secondMs;
  for (let changes = 0; changes < changesMax; changes += 1) {
    const offset = zone(from);
    const wall = nextWallTime(fields, from + offset);
    if (wall === undefined) return undefined;
    const at = wall - offset;
    const soon = Math.min(at, from + repeatedMsMax);
    if (zone(soon) === offset && zone(at) === offset) return at;
    from = changeBetween(zone, from, zone(soon) === offset ? at : soon);
  }
  return undefined;
}

/** The first fitting wall time at or after `fromMs`; wall times are written as if they were UTC. */
function nextWallTime(fields: CronFields, fromMs: number): number | undefined {
  let startOfDay = Math.floor(fromMs / dayMs) * dayMs;
  let secondOfDay = (fromMs - startOfDay) / secondMs;
  for (let days = 0; days < daysMax; days += 1) {
    if (isDay(fields, startOfDay)) {
      const found = nextSecondOfDay(fields, secondOfDay);
      if (found !== undefined) return startOfDay + found * secondMs;
    }
    startOfDay += dayMs;
    secondOfDay = 0;
  }
  return undefined;
}

function isDay({ days, months, weekdays, bothDays }: CronFields, startOfDay: number): boolean {
  const date = new Date(startOfDay);
  if (!months.includes(date.getUTCMonth() + 1)) return false;
  const byDay = days.includes(date.getUTCDate());
  const byWeekday = weekdays.includes(date.getUTCDay());
  return bothDays ? byDay && byWeekday : byDay || byWeekday;
}

function nextSecondOfDay(fields: CronFields, from: number): number | undefined {
  for (const hour of fields.hours) {
    if (hour * 3_600 + 3_599 < from) continue;
    for (const minute of fields.minutes) {
      const start = hour * 3_600 + minute * 60;
      const second = fields.seconds.find((value) => start + value >= from);
      if (second !== undefined) return start + second;
    }
  }
  return undefined;
}
