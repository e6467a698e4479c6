import { GossipPacket as WirePacket } from '@shoal/proto';
import { formatHostPort } from '@shoal/runtime';
import type { Rumour } from './member.ts';
import type { Packet, Probe } from './transport.ts';
import {
  addressFromWire,
  allOf,
  decoded,
  isId,
  rumourFromWire,
  rumourToWire,
  tableFromWire,
  tableToWire,
} from './wire.ts';

/** News in one packet; more do not fit anyway. */
const newsInPacketMax = 256;
/** Tags, lengths and numbers of a rumour, and brackets and port of its address. */
const rumourFixedBytes = 32;

export function encodePacket({ from, probe, rumours, tables }: Packet): Uint8Array {
  return WirePacket.encode({
    from,
    probe: probeToWire(probe),
    rumours: rumours.map(rumourToWire),
    tables: tables.map(tableToWire),
  }).finish();
}

/** Undefined for anything that {@link encodePacket} would not make: it comes from the network. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  const wire = decoded(bytes, WirePacket.decode);
  if (wire === undefined || !isId(wire.from)) return undefined;
  if (wire.rumours.length > newsInPacketMax || wire.tables.length > newsInPacketMax)
    return undefined;
  const probe = probeFromWire(wire.probe);
  const rumours = allOf(wire.rumours, rumourFromWire);
  const tables = allOf(wire.tables, tableFromWire);
  if (probe === 'malformed' || rumours === undefined || tables === undefined) return undefined;
  return { from: wire.from, probe, rumours, tables };
}

/** At most so many bytes does the news take in a packet; reckoned, for it is asked often. */
export function rumourBytes({ id, addr, from }: Rumour): number {
  const texts = Buffer.byteLength(id) + Buffer.byteLength(from) + addr.host.length;
  return texts + rumourFixedBytes;
}

function probeToWire(probe: Probe | undefined): WirePacket['probe'] {
  switch (probe?.kind) {
    case undefined:
      return undefined;
    case 'ping': {
      const { sequence, target } = probe;
      return { $case: 'ping', value: { sequence, target } };
    }
    case 'ping-request': {
      const { sequence, target, addr } = probe;
      return { $case: 'pingRequest', value: { sequence, target, addr: formatHostPort(addr) } };
    }
    case 'ack':
    case 'nack':
      return { $case: probe.kind, value: probe.sequence };
  }
}

function probeFromWire(wire: WirePacket['probe']): Probe | undefined | 'malformed' {
  switch (wire?.$case) {
    case undefined:
      return undefined;
    case 'ping': {
      const { sequence, target } = wire.value;
      return isId(target) ? { kind: 'ping', sequence, target } : 'malformed';
    }
    case 'pingRequest': {
      const { sequence, target, addr: text } = wire.value;
      const addr = addressFromWire(text);
      if (addr === undefined || !isId(target)) return 'malformed';
      return { kind: 'ping-request', sequence, target, addr };
    }
    case 'ack':
    case 'nack':
      return { kind: wire.$case, sequence: wire.value };
  }
}
