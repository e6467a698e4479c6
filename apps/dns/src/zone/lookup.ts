import { searchDomain } from '@shoal/overlay';
import type { Random } from '@shoal/runtime';
import { rcodes, types } from '../wire/protocol.ts';
import { emptyReply, noErrorEmpty, type Reply, type ResourceRecord } from '../wire/reply-writer.ts';
import type { NameEntry, NetworkZone } from './network-zone.ts';
import type { PointerClaim, Target } from './record-names.ts';
import { reversedAddress } from './reverse.ts';

/** A service's name with a port before it: `_8080._tcp.web` (RFC 2782). */
const servicePattern = /^_([^.]+)\._(?:tcp|udp|sctp)\.(.+)$/;
const portMax = 65_535;
const ownDomain = `.${searchDomain}`;
const noSuchName = emptyReply(rcodes.nameError, true);

export interface Question {
  /** Canonical. */
  readonly name: string;
  readonly type: number;
}

/**
 * Answers from the networks of a container, looked into in their order. Undefined: none of them knows the
 * name, and somebody else may.
 */
export function lookup(
  question: Question,
  zones: readonly NetworkZone[],
  random: Random,
): Reply | undefined {
  const { name } = question;
  if (!name.endsWith(ownDomain)) return lookupName(question, name, zones, random);
  // The domain is ours alone: nobody outside may be asked.
  const within = name.slice(0, -ownDomain.length);
  return lookupName(question, within, zones, random) ?? noSuchName;
}

/** `name`: what was asked for, without a domain that was put behind it. */
function lookupName(
  question: Question,
  name: string,
  zones: readonly NetworkZone[],
  random: Random,
): Reply | undefined {
  const entry = findName(name, zones);
  if (entry !== undefined) return addressReply(question, entry, random);
  if (name.endsWith('.arpa')) return reverseReply(question, name, zones);
  if (name.startsWith('_')) return serviceReply(question, name, zones, random);
  return undefined;
}

/**
 * First the whole name in every network, then `a.b` as `a` in the network `b`; names of networks may have
 * dots. A network where somebody serves under the name goes before one where nobody does.
 */
function findName(name: string, zones: readonly NetworkZone[]): NameEntry | undefined {
  let silent: NameEntry | undefined;
  const see = (entry: NameEntry | undefined): entry is NameEntry => {
    silent ??= entry;
    return entry !== undefined && entry.targets.length > 0;
  };
  for (const zone of zones) {
    const entry = zone.find(name);
    if (see(entry)) return entry;
  }
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const before = name.slice(0, dot);
    const network = name.slice(dot + 1);
    for (const zone of zones) {
      const entry = zone.name === network ? zone.find(before) : undefined;
      if (see(entry)) return entry;
    }
  }
  return silent;
}

function addressReply({ name, type }: Question, entry: NameEntry, random: Random): Reply {
  const wanted = addressesOf(entry.targets, type);
  if (wanted.length === 0) return noErrorEmpty;
  const answers = wanted.map(
    (address): ResourceRecord => ({
      kind: 'address',
      name,
      ttlSeconds: entry.ttlSeconds,
      address,
    }),
  );
  return authoritative(shuffle(answers, random));
}

function addressesOf(targets: readonly Target[], type: number): readonly Uint8Array[] {
  const any = type === types.ANY;
  const found: Uint8Array[] = [];
  for (const { ipv4, ipv6 } of targets) {
    if (ipv4 !== undefined && (any || type === types.A)) found.push(ipv4);
    if (ipv6 !== undefined && (any || type === types.AAAA)) found.push(ipv6);
  }
  return found;
}

/** Addresses of the container's own networks are nobody else's to name. */
function reverseReply(
  { name, type }: Question,
  sought: string,
  zones: readonly NetworkZone[],
): Reply | undefined {
  const address = reversedAddress(sought);
  if (address === undefined) return undefined;
  let ours = false;
  for (const zone of zones) {
    const pointer = zone.pointer(address);
    if (pointer !== undefined) return pointerReply(name, type, pointer);
    ours ||= zone.contains(address);
  }
  return ours ? noErrorEmpty : undefined;
}

function pointerReply(name: string, type: number, pointer: PointerClaim): Reply {
  if (type !== types.PTR && type !== types.ANY) return noErrorEmpty;
  const { ttlSeconds, name: target } = pointer;
  return authoritative([{ kind: 'pointer', name, ttlSeconds, target }]);
}

/** Who is behind the service, each with the port that was asked about, and their addresses besides. */
function serviceReply(
  { name, type }: Question,
  sought: string,
  zones: readonly NetworkZone[],
  random: Random,
): Reply | undefined {
  const match = servicePattern.exec(sought);
  const entry = match?.[2] === undefined ? undefined : findName(match[2], zones);
  if (entry === undefined) return undefined;
  const port = /^\d{1,5}$/.test(match?.[1] ?? '') ? Number(match?.[1]) : 0;
  const asked = type === types.SRV || type === types.ANY;
  if (!asked || port < 1 || port > portMax) return noErrorEmpty;
  const { ttlSeconds } = entry;
  const targets = shuffle([...entry.targets], random);
  const answers = targets.map(
    (target): ResourceRecord => ({ kind: 'service', name, ttlSeconds, port, target: target.name }),
  );
  const additionals = targets.flatMap((target) =>
    addressesOf([target], types.ANY).map(
      (address): ResourceRecord => ({ kind: 'address', name: target.name, ttlSeconds, address }),
    ),
  );
  return { rcode: rcodes.noError, authoritative: true, answers, additionals };
}

function authoritative(answers: readonly ResourceRecord[]): Reply {
  return { rcode: rcodes.noError, authoritative: true, answers, additionals: [] };
}

/** Every order is as likely (Fisher and Yates), so that clients who take the first spread evenly. */
function shuffle<T>(list: T[], random: Random): T[] {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random.next() * (last + 1));
    const a = list[last];
    const b = list[other];
    if (a === undefined || b === undefined) continue;
    list[last] = b;
    list[other] = a;
  }
  return list;
}
