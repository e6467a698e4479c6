import {
  GossipList as WireList,
  GossipPacket as WirePacket,
  GossipRumour as WireRumour,
  GossipStanding as WireStanding,
} from '@shoal/proto';
import { formatHostPort, parseHostPort } from '@shoal/runtime';
import { membersMax } from './limits.ts';
import type { Member, Rumour, Standing } from './member.ts';
import type { Packet, Probe } from './transport.ts';

/** News in one packet; more do not fit anyway. */
const rumoursInPacketMax = 256;
const idCharactersMax = 64;

const toWire: Readonly<Record<Standing, WireStanding>> = {
  alive: WireStanding.ALIVE,
  suspect: WireStanding.SUSPECT,
  dead: WireStanding.DEAD,
  left: WireStanding.LEFT,
};
const fromWire = new Map(
  (Object.keys(toWire) as Standing[]).map((standing) => [toWire[standing], standing]),
);

export function encodePacket({ from, probe, rumours }: Packet): Uint8Array {
  const wire = { from, probe: probeToWire(probe), rumours: rumours.map(rumourToWire) };
  return WirePacket.encode(wire).finish();
}

/** Undefined for anything that {@link encodePacket} would not make: it comes from the network. */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  const wire = decoded(bytes, WirePacket.decode);
  if (wire === undefined || !isId(wire.from)) return undefined;
  if (wire.rumours.length > rumoursInPacketMax) return undefined;
  const probe = probeFromWire(wire.probe);
  const rumours = rumoursFromWire(wire.rumours);
  if (probe === 'malformed' || rumours === undefined) return undefined;
  return { from: wire.from, probe, rumours };
}

export function encodeList(list: readonly Member[]): Uint8Array {
  const members = list.map((member) => rumourToWire({ ...member, from: '' }));
  return WireList.encode({ members }).finish();
}

/** Undefined for anything that {@link encodeList} would not make. */
export function decodeList(bytes: Uint8Array): readonly Member[] | undefined {
  const wire = decoded(bytes, WireList.decode);
  if (wire === undefined || wire.members.length > membersMax) return undefined;
  return rumoursFromWire(wire.members)?.map(({ from: _from, ...member }) => member);
}

/** Bytes that the news take in a packet: tag and length besides its own. */
export function rumourBytes(rumour: Rumour): number {
  return WireRumour.encode(rumourToWire(rumour)).finish().length + 3;
}

function decoded<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

function isId(text: string): boolean {
  return text.length > 0 && text.length <= idCharactersMax;
}

function rumourToWire({ id, addr, incarnation, standing, from }: Rumour): WireRumour {
  return { id, addr: formatHostPort(addr), incarnation, standing: toWire[standing], from };
}

function rumoursFromWire(wire: readonly WireRumour[]): readonly Rumour[] | undefined {
  const rumours: Rumour[] = [];
  for (const { id, addr: text, incarnation, standing: number, from } of wire) {
    const addr = parseHostPort(text);
    const standing = fromWire.get(number);
    const isSound = isId(id) && from.length <= idCharactersMax;
    if (addr === undefined || standing === undefined || !isSound) return undefined;
    rumours.push({ id, addr, incarnation, standing, from });
  }
  return rumours;
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
      const addr = parseHostPort(text);
      if (addr === undefined || !isId(target)) return 'malformed';
      return { kind: 'ping-request', sequence, target, addr };
    }
    case 'ack':
    case 'nack':
      return { kind: wire.$case, sequence: wire.value };
  }
}
