import { type EndpointRecord, type Family, familyOf } from '@shoal/state';
import { hardwareAddress } from './layout.ts';

/** Where frames to an address go. */
export interface Peer {
  readonly mac: string;
  readonly vtep: string;
}

/** Peers by address. */
export type Peers = ReadonlyMap<string, Peer>;

interface Claim {
  readonly peer: Peer;
  readonly record: EndpointRecord;
}

/**
 * Who claims which address of a network. For a moment two endpoints may claim the same one: its task was
 * replaced on another host. Then the one that came last has it; the other gets it back if that goes.
 */
export class PeerTable {
  readonly #family: Family;
  /** Claims by endpoint, of each address in the order they came. */
  readonly #claims = new Map<string, Map<string, Claim>>();

  /** A VXLAN device reaches hosts of one family only: that of `vtep`. */
  constructor(vtep: string) {
    this.#family = familyOf(vtep);
  }

  /** These are all there are. */
  replace(records: readonly EndpointRecord[]): void {
    const usable = records.filter(({ vtep }) => familyOf(vtep) === this.#family);
    const kept = new Set(
      usable.flatMap(({ addresses, endpointId }) => addresses.map((at) => `${at} ${endpointId}`)),
    );
    for (const [address, claims] of this.#claims) {
      for (const endpointId of claims.keys()) {
        if (!kept.has(`${address} ${endpointId}`)) claims.delete(endpointId);
      }
      if (claims.size === 0) this.#claims.delete(address);
    }
    for (const record of usable) this.#put(record);
  }

  #put(record: EndpointRecord): void {
    const { endpointId, addresses, vtep } = record;
    const mac = hardwareAddress(addresses);
    for (const address of addresses) {
      const claims = this.#claims.get(address) ?? new Map<string, Claim>();
      const before = claims.get(endpointId);
      const moved = before !== undefined && before.peer.vtep !== vtep;
      if (moved) claims.delete(endpointId);
      claims.set(endpointId, { peer: { mac, vtep }, record });
      this.#claims.set(address, claims);
    }
  }

  /** What is to be in the kernel. Addresses of containers of this host need no tunnel. */
  wanted(local: ReadonlySet<string>): Peers {
    const wanted = new Map<string, Peer>();
    for (const [address, claims] of this.#claims) {
      const claim = [...claims.values()].at(-1);
      if (claim !== undefined && !local.has(address)) wanted.set(address, claim.peer);
    }
    return wanted;
  }

  /** The records that are fully served by what is in the kernel. */
  served(programmed: Peers): readonly EndpointRecord[] {
    const records = new Map<string, EndpointRecord>();
    for (const claims of this.#claims.values()) {
      for (const [endpointId, { record, peer }] of claims) {
        const whole = record.addresses.every((address) => {
          const there = programmed.get(address);
          return there?.vtep === peer.vtep && there.mac === peer.mac;
        });
        if (whole) records.set(endpointId, record);
      }
    }
    return [...records.values()];
  }
}

/** Tables as the kernel has them: from address to hardware address, and from that to the tunnel's end. */
export interface KernelPeers {
  readonly neighbours: ReadonlyMap<string, string>;
  readonly forwarding: ReadonlyMap<string, string>;
}

export const noPeers: KernelPeers = { neighbours: new Map(), forwarding: new Map() };

/**
 * A hardware address leads to where the address is that it is made of: while that is given to another
 * host, an IPv6 address beside it may still be claimed by the old one.
 */
export function kernelPeers(peers: Peers): KernelPeers {
  const forwarding = new Map<string, string>();
  for (const [address, { mac, vtep }] of peers) {
    if (!forwarding.has(mac) || hardwareAddress([address]) === mac) forwarding.set(mac, vtep);
  }
  return {
    neighbours: new Map([...peers].map(([address, { mac }]) => [address, mac])),
    forwarding,
  };
}

/** What the kernel's tables stand for; an address without a way to its host is none. */
export function peersOf({ neighbours, forwarding }: KernelPeers): Peers {
  const peers = new Map<string, Peer>();
  for (const [address, mac] of neighbours) {
    const vtep = forwarding.get(mac);
    if (vtep !== undefined) peers.set(address, { mac, vtep });
  }
  return peers;
}

export interface PeerLines {
  /** For `bridge`: what is set before neighbours, and what goes after them. */
  readonly forwarding: { readonly set: readonly string[]; readonly drop: readonly string[] };
  /** For `ip`. */
  readonly neighbours: readonly string[];
}

/** The difference, in an order in which no neighbour is known whose host is not. */
export function peerLines(device: string, have: KernelPeers, want: KernelPeers): PeerLines {
  const set = [...want.forwarding]
    .filter(([mac, vtep]) => have.forwarding.get(mac) !== vtep)
    .map(([mac, vtep]) => `fdb replace ${mac} dev ${device} self permanent dst ${vtep}`);
  const drop = [...have.forwarding]
    .filter(([mac]) => !want.forwarding.has(mac))
    .map(([mac, vtep]) => `fdb del ${mac} dev ${device} self dst ${vtep}`);
  const neighbours = [
    ...[...want.neighbours]
      .filter(([address, mac]) => have.neighbours.get(address) !== mac)
      .map(
        ([address, mac]) => `neigh replace ${address} lladdr ${mac} dev ${device} nud permanent`,
      ),
    ...[...have.neighbours.keys()]
      .filter((address) => !want.neighbours.has(address))
      .map((address) => `neigh del ${address} dev ${device}`),
  ];
  return { forwarding: { set, drop }, neighbours };
}
