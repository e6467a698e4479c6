import {
  type GossipRecord as WireRecord,
  type GossipRumour as WireRumour,
  GossipStanding as WireStanding,
  type GossipTable as WireTable,
} from '@shoal/proto';
import { formatHostPort, type HostPort, parseHostPort } from '@shoal/runtime';
import type { Rumour, Standing } from './member.ts';
import { type TableNews, type TableRecord, timeMax, valueBytesMax } from './tables/record.ts';

/** Longest id of a member, a network or a record, characters. */
const idCharactersMax = 128;

const toWire: Readonly<Record<Standing, WireStanding>> = {
  alive: WireStanding.ALIVE,
  suspect: WireStanding.SUSPECT,
  dead: WireStanding.DEAD,
  left: WireStanding.LEFT,
};
const fromWire = new Map(
  (Object.keys(toWire) as Standing[]).map((standing) => [toWire[standing], standing]),
);

/** Undefined when the bytes are not of that form at all. */
export function decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

/** All of them, or undefined when one is not sound: nothing of a bent message counts. */
export function allOf<Wire, Read>(
  wire: readonly Wire[],
  read: (one: Wire) => Read | undefined,
): readonly Read[] | undefined {
  const all: Read[] = [];
  for (const one of wire) {
    const value = read(one);
    if (value === undefined) return undefined;
    all.push(value);
  }
  return all;
}

export function isId(text: string): boolean {
  return text.length > 0 && text.length <= idCharactersMax;
}

export function rumourToWire({ id, addr, incarnation, standing, from }: Rumour): WireRumour {
  return { id, addr: formatHostPort(addr), incarnation, standing: toWire[standing], from };
}

export function rumourFromWire(wire: WireRumour): Rumour | undefined {
  const { id, addr: text, incarnation, standing: number, from } = wire;
  const addr = addressFromWire(text);
  const standing = fromWire.get(number);
  const isSound = isId(id) && from.length <= idCharactersMax;
  if (addr === undefined || standing === undefined || !isSound) return undefined;
  return { id, addr, incarnation, standing, from };
}

/** Undefined for what cannot be sent to. */
export function addressFromWire(text: string): HostPort | undefined {
  const addr = parseHostPort(text);
  return addr === undefined || addr.port === 0 ? undefined : addr;
}

function recordToWire({ owner, id, time, value, ageMs }: TableRecord): WireRecord {
  return { owner, id, time, value: value === undefined ? undefined : Buffer.from(value), ageMs };
}

function recordFromWire({ owner, id, time, value, ageMs }: WireRecord): TableRecord | undefined {
  const isSound = isId(owner) && isId(id) && time > 0 && time <= timeMax && ageMs <= timeMax;
  if (!isSound || (value !== undefined && value.length > valueBytesMax)) return undefined;
  return { owner, id, time, value, ageMs };
}

export function tableToWire({ network, records }: TableNews): WireTable {
  return { network, records: records.map(recordToWire) };
}

export function tableFromWire(wire: WireTable): TableNews | undefined {
  const { network } = wire;
  const records = allOf(wire.records, recordFromWire);
  if (records === undefined || network.length > idCharactersMax) return undefined;
  return { network, records };
}
