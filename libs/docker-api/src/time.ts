import type { Instant } from '@shoal/runtime';
import { ApiError } from './errors.ts';

const digitsOfNano = 9;
const nanosPerMilli = 1_000_000;

/** A time to the nanosecond: seconds since 1970 and the rest. */
export interface NanoTime {
  readonly seconds: number;
  readonly nanos: number;
}

export function nanoTime(at: Instant): NanoTime {
  const seconds = Math.floor(at / 1_000);
  return { seconds, nanos: Math.round((at - seconds * 1_000) * nanosPerMilli) };
}

/** Go's RFC3339Nano in UTC: trailing zeros of the fraction are left out. */
export function rfc3339Nano(at: Instant): string {
  const { seconds, nanos } = nanoTime(at);
  const fraction = String(nanos).padStart(digitsOfNano, '0').replace(/0+$/, '');
  return `${wholeSeconds(seconds)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** The form of log lines and events: always nine digits. */
export function rfc3339NanoFixed({ seconds, nanos }: NanoTime): string {
  return `${wholeSeconds(seconds)}.${String(nanos).padStart(digitsOfNano, '0')}Z`;
}

/** Seconds that were written out last, each in a place of its own: the times of a list lie close to each other. */
const places = 256;
const written = Array.from({ length: places }, () => ({ seconds: 0, text: '1970-01-01T00:00:00' }));

function wholeSeconds(seconds: number): string {
  const place = ((seconds % places) + places) % places;
  const known = written[place];
  if (known?.seconds === seconds) return known.text;
  const text = new Date(seconds * 1_000).toISOString().slice(0, -'.000Z'.length);
  written[place] = { seconds, text };
  return text;
}

/** Reads `since` and `until`: unix seconds with an optional fraction, or RFC 3339. Absent for empty. */
export function parseTime(text: string): NanoTime | undefined {
  if (text === '') return undefined;
  const unix = /^(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null)
    return { seconds: Number(unix[1]), nanos: Number((unix[2] ?? '').padEnd(digitsOfNano, '0')) };
  const full = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const millis = full === null ? Number.NaN : Date.parse(`${full[1]}${full[3]}`);
  if (Number.isNaN(millis))
    throw new ApiError(400, `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return { seconds: millis / 1_000, nanos: Number((full?.[2] ?? '').padEnd(digitsOfNano, '0')) };
}

export function isTimeBefore(a: NanoTime, b: NanoTime): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
}
