import { parseDuration } from './duration.ts';

/** The times that a cron expression names, on the clock of a place. */
export interface CronFields {
  readonly kind: 'fields';
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: readonly number[];
  /** Months, from 1. */
  readonly months: readonly number[];
  /** Days of the week, from 0, which is Sunday. */
  readonly weekdays: readonly number[];
  /** A day must be right by both day and weekday; otherwise, where both are restricted, by either. */
  readonly bothDays: boolean;
  /**
   * Neither hour nor minute nor second is a `*`: such times are kept when the clock is changed. The others
   * go by elapsed time.
   */
  readonly isFixed: boolean;
}

/** `@every 90m`: by elapsed time alone. */
export interface CronInterval {
  readonly kind: 'interval';
  readonly everyMs: number;
}

export type ParsedExpression =
  | CronFields
  | CronInterval
  /** `reason` completes a sentence: what is wrong with it. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Longest expression looked at, characters. */
const expressionMax = 256;
const intervalMsMin = 1_000;

const named: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

interface Unit {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Where `5/2` ends, if not at `max`. */
  readonly last?: number;
  readonly names?: readonly string[];
}

const monthNames = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const weekdayNames = 'sun mon tue wed thu fri sat'.split(' ');

const second: Unit = { name: 'second', min: 0, max: 59 };
const minute: Unit = { name: 'minute', min: 0, max: 59 };
const hour: Unit = { name: 'hour', min: 0, max: 23 };
const day: Unit = { name: 'day', min: 1, max: 31 };
const month: Unit = { name: 'month', min: 1, max: 12, names: monthNames };
/** 7 is Sunday as well. */
const weekday: Unit = { name: 'weekday', min: 0, max: 7, last: 6, names: weekdayNames };

/**
 * Reads five fields (minute, hour, day, month, weekday), or `@hourly` and the like, or `@every` with a
 * duration; with `seconds`, a sixth field may stand before the others.
 */
export function parseExpression(text: string, seconds: 'seconds' | 'no seconds'): ParsedExpression {
  if (text.length > expressionMax) return invalid(`it is longer than ${expressionMax} characters`);
  const trimmed = text.trim();
  if (trimmed.startsWith('@every ')) return parseInterval(trimmed.slice('@every '.length).trim());
  const fields = (named[trimmed.toLowerCase()] ?? trimmed).split(/\s+/);
  if (fields.length === 5) return parseFields(['0', ...fields]);
  if (fields.length === 6 && seconds === 'seconds') return parseFields(fields);
  return invalid(
    seconds === 'seconds' ? 'it has not five or six fields' : 'it has not five fields',
  );
}

function invalid(reason: string): ParsedExpression {
  return { kind: 'invalid', reason };
}

function parseInterval(text: string): ParsedExpression {
  const parsed = parseDuration(text);
  if (parsed.kind === 'invalid' || parsed.ms < intervalMsMin)
    return invalid('@every needs a duration of a second or more, such as 90m');
  return { kind: 'interval', everyMs: Math.floor(parsed.ms / 1_000) * 1_000 };
}

function parseFields(texts: readonly string[]): ParsedExpression {
  const [s = '', m = '', h = '', d = '', mo = '', w = ''] = texts;
  const units: readonly (readonly [string, Unit])[] = [
    [s, second],
    [m, minute],
    [h, hour],
    [d, day],
    [mo, month],
    [w, weekday],
  ];
  const lists: (readonly number[])[] = [];
  for (const [text, unit] of units) {
    const values = valuesOf(text, unit);
    if (values === undefined)
      return invalid(`its ${unit.name} is not within ${unit.min} to ${unit.max}`);
    lists.push(values);
  }
  const [seconds = [], minutes = [], hours = [], days = [], months = [], found = []] = lists;
  return {
    kind: 'fields',
    seconds,
    minutes,
    hours,
    days,
    months,
    weekdays: [...new Set(found.map((value) => value % 7))],
    bothDays: isStar(d) || isStar(w),
    isFixed: ![s, m, h].some(isStar),
  };
}

function isStar(text: string): boolean {
  return text.startsWith('*') || text.startsWith('?');
}

/** The values a field names, sorted; undefined when it cannot be read. */
function valuesOf(text: string, unit: Unit): readonly number[] | undefined {
  const values = new Set<number>();
  for (const term of text.split(',')) {
    const range = rangeOf(term, unit);
    if (range === undefined) return undefined;
    for (let value = range.from; value <= range.to; value += range.step) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** `*`, `5`, `1-5`, each also with `/2`; `5/2` goes on to the largest value. */
function rangeOf(term: string, unit: Unit): Range | undefined {
  const [span = '', stepText, ...more] = term.split('/');
  const step = stepText === undefined ? 1 : numberOf(stepText);
  if (more.length > 0 || step === undefined || step === 0) return undefined;
  if (span === '*' || span === '?') return { from: unit.min, to: unit.max, step };
  const [first = '', last, ...rest] = span.split('-');
  const from = oneOf(first, unit);
  const open = stepText === undefined ? from : Math.max(from ?? 0, unit.last ?? unit.max);
  const to = last === undefined ? open : oneOf(last, unit);
  if (rest.length > 0 || from === undefined || to === undefined || from > to) return undefined;
  return { from, to, step };
}

function oneOf(text: string, { min, max, names }: Unit): number | undefined {
  const at = names?.indexOf(text.toLowerCase()) ?? -1;
  const value = at >= 0 ? at + (min === 1 ? 1 : 0) : numberOf(text);
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function numberOf(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) ? Number(text) : undefined;
}
