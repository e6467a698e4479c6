/** Offset of a time zone's wall clock from UTC at an instant, milliseconds; both are whole seconds. */
export type Zone = (atMs: number) => number;

const secondMs = 1_000;
const dayMs = 86_400_000;
/** Zones read so far that are kept; there are about 600 names. */
const zonesMax = 1_000;
/** Longest name looked at, characters. */
const nameMax = 64;

const zones = new Map<string, Zone>();

/** The zone of an IANA name; undefined when there is none. */
export function zoneOf(name: string): Zone | undefined {
  if (name === 'UTC') return () => 0;
  if (name.length > nameMax) return undefined;
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = read(name);
  if (zone === undefined) return undefined;
  if (zones.size >= zonesMax) zones.clear();
  zones.set(name, zone);
  return zone;
}

function read(name: string): Zone | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return undefined;
  }
  return (atMs) => {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - atMs;
  };
}

/**
 * The instant at which the wall clock shows `wallMs` (a wall time, written as if it were UTC): the first
 * one when it shows it twice, and where it jumps over it, the instant of the jump.
 */
export function instantOf(zone: Zone, wallMs: number): number {
  const offsets = [zone(wallMs - dayMs), zone(wallMs + dayMs)];
  const largest = Math.max(...offsets);
  const smallest = Math.min(...offsets);
  if (zone(wallMs - largest) === largest) return wallMs - largest;
  if (zone(wallMs - smallest) === smallest) return wallMs - smallest;
  return changeBetween(zone, wallMs - largest, wallMs - smallest);
}

/** The second at which the offset is no longer that of `fromMs`; `toMs` must have another one. */
export function changeBetween(zone: Zone, fromMs: number, toMs: number): number {
  const before = zone(fromMs);
  let low = fromMs / secondMs;
  let high = toMs / secondMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zone(middle * secondMs) === before) low = middle;
    else high = middle;
  }
  return high * secondMs;
}
