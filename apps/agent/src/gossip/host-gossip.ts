import { isIPv6 } from 'node:net';
import {
  Gossip,
  type GossipKey,
  KeyRotation,
  type Member,
  type NetworkChange,
  pushWaitMs,
  type ShownRecord,
  valueBytesMax,
} from '@shoal/gossip';
import {
  type Clock,
  errorMessage,
  formatHostPort,
  type HostPort,
  type Logger,
  type Random,
  type Timer,
} from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import type { GossipPort, HostReachability, Push, PushOutcome } from '../network/ports.ts';
import type { SecureConnections } from './listener.ts';
import type { GossipFigures, GossipMetrics } from './metrics.ts';
import { decodeRecord, encodeRecord, saysTheSame } from './record-codec.ts';
import { type GossipEnd, type GossipNetwork, GossipSockets } from './sockets.ts';

/** The port that Swarm's users know, TCP and UDP. */
export const gossipPort = 7946;
/** Pause before it is tried to listen again, milliseconds. */
const listenRetryMs = 2_000;

export interface HostGossipOptions {
  readonly nodeId: string;
  /** Where other hosts reach this one's gossip. It listens there too, where the address is the host's own. */
  readonly advertise: HostPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: GossipMetrics;
  /** Takes what comes to the gossip's port and is not gossip. */
  readonly secure?: SecureConnections | undefined;
  /** Sockets by default. */
  readonly network?: ((end: GossipEnd) => GossipNetwork) | undefined;
}

type Listening = Parameters<GossipPort['onChange']>[0];

/** The gossip of one host on its sockets: endpoint records to and from the other hosts. */
export class HostGossip implements GossipPort {
  readonly #options: HostGossipOptions;
  readonly #keys: KeyRotation;
  readonly #gossip: Gossip;
  readonly #network: GossipNetwork;
  readonly #listeners = new Set<Listening>();
  readonly #standing = new Set<() => void>();
  readonly #read = new WeakMap<Uint8Array, EndpointRecord>();
  #applied: (networkId: string) => Promise<void> = () => Promise.resolve();
  #seeds: readonly HostPort[] = [];
  #advertise: HostPort;
  #retry: Timer | undefined;
  #opening: Promise<void>;
  #closed = false;

  constructor(options: HostGossipOptions) {
    this.#options = options;
    const { nodeId: id, advertise: addr, clock, random, metrics } = options;
    this.#advertise = addr;
    const keys = new KeyRotation(random, clock);
    this.#keys = keys;
    const end: GossipEnd = {
      keys,
      metrics,
      clock,
      received: (packet, from) => this.#gossip.receive(packet, from),
      greeted: (member) => this.#gossip.greet(member),
      answer: (question) => this.#gossip.answer(question),
      self: () => this.#gossip.membership.self,
    };
    this.#network = options.network?.(end) ?? new GossipSockets(end, options.secure);
    this.#gossip = new Gossip({
      id,
      addr,
      clock,
      random,
      transport: this.#network,
      // A restarted host is newer than its own past at once.
      firstTime: clock.now(),
      same: saysTheSame,
      changed: (change) => this.#changed(change),
      applied: (networkId) => this.#applied(networkId),
      memberChanged: (member, before) => this.#memberChanged(member, before),
      learned: ({ ageMs }) => metrics.learned(ageMs),
    });
    metrics.source(() => this.#figures());
    this.#opening = this.#open();
  }

  /** Resolves when it first listens or could not. */
  get opened(): Promise<void> {
    return this.#opening;
  }

  keys(ring: readonly GossipKey[]): void {
    const isFirst = !this.#keys.hasKeys;
    this.#keys.replace(ring);
    if (isFirst && this.#keys.hasKeys) void this.#gossip.seeds(this.#seeds);
  }

  members(seeds: readonly { readonly nodeId: string; readonly addr: string }[]): void {
    const { nodeId, advertise } = this.#options;
    this.#seeds = seeds.flatMap((seed) =>
      seed.nodeId === nodeId ? [] : [{ host: seed.addr, port: advertise.port }],
    );
    void this.#gossip.seeds(this.#seeds);
  }

  /** Other hosts reach this one elsewhere from now on, at an address of its own. */
  moved(host: string): void {
    if (host === this.#advertise.host || this.#closed) return;
    this.#advertise = { host, port: this.#advertise.port };
    this.#opening = this.#opening.then(() => this.#open());
    this.#gossip.moved(this.#advertise);
  }

  join(networkId: string): void {
    this.#gossip.join(networkId);
  }

  leave(networkId: string): void {
    this.#gossip.leave(networkId);
  }

  publish(record: EndpointRecord): void {
    const value = this.#encoded(record);
    if (value !== undefined) this.#gossip.put(record.networkId, record.endpointId, value);
  }

  withdraw(networkId: string, endpointId: string): void {
    this.#gossip.put(networkId, endpointId, undefined);
  }

  merge(networkId: string, records: readonly EndpointRecord[]): void {
    const truth = records.map((record) => {
      return { owner: record.nodeId, id: record.endpointId, value: encodeRecord(record) };
    });
    this.#gossip.overrule(networkId, truth);
  }

  async push(push: Push): Promise<PushOutcome> {
    const { networkId, endpointId } = push.kind === 'record' ? push.record : push;
    const value = push.kind === 'record' ? this.#encoded(push.record) : undefined;
    if (push.kind === 'record' && value === undefined)
      return { acknowledged: [], missing: this.#gossip.tables.peers(networkId) };
    return this.#gossip.push(networkId, endpointId, value, pushWaitMs);
  }

  records(networkId: string): readonly EndpointRecord[] {
    return this.#gossip.tables.shown(networkId).flatMap((shown) => {
      return this.#decoded(networkId, shown) ?? [];
    });
  }

  onChange(listener: Listening): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onPush(applied: (networkId: string) => Promise<void>): void {
    this.#applied = applied;
  }

  reachability(): readonly HostReachability[] {
    return this.#gossip.membership.others.flatMap(({ id: nodeId, addr, standing }) =>
      standing === 'left' ? [] : [{ nodeId, addr: formatHostPort(addr), standing }],
    );
  }

  onStanding(listener: () => void): () => void {
    this.#standing.add(listener);
    return () => this.#standing.delete(listener);
  }

  /** What was published before a restart and not since is withdrawn now, rather than half a minute later. */
  settle(): void {
    this.#gossip.settle();
  }

  /** Other hosts think that it is there for some seconds more, unless it has left all networks before. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#gossip.close();
    this.#options.metrics.source(undefined);
    await this.#opening;
    await this.#network.close();
  }

  async #open(): Promise<void> {
    if (this.#closed) return;
    this.#retry?.cancel();
    const { clock, logger } = this.#options;
    const advertise = this.#advertise;
    const wildcard = isIPv6(advertise.host) ? '::' : '0.0.0.0';
    let problem: unknown;
    for (const host of [advertise.host, wildcard]) {
      const listen = { host, port: advertise.port };
      try {
        await this.#network.open(listen);
        logger.info({ listen: formatHostPort(listen) }, 'gossip_listening');
        return;
      } catch (error) {
        problem = error;
        if (!isNotOwnAddress(error)) break;
      }
    }
    if (this.#closed) return;
    logger.warn({ reason: errorMessage(problem) }, 'gossip_not_listening');
    this.#retry = clock.after(listenRetryMs, () => {
      this.#opening = this.#open();
    });
  }

  #encoded(record: EndpointRecord): Uint8Array | undefined {
    const value = encodeRecord(record);
    if (value.length <= valueBytesMax) return value;
    const { networkId, endpointId } = record;
    const fields = { network: networkId, endpoint: endpointId, bytes: value.length };
    this.#options.logger.error(fields, 'gossip_record_too_long');
    return undefined;
  }

  /** Undefined when it is none, or speaks of something that is not its owner's. */
  #decoded(networkId: string, { owner, id, value }: ShownRecord): EndpointRecord | undefined {
    const known = this.#read.get(value);
    if (known !== undefined) return known;
    const record = decodeRecord(value);
    const isSound =
      record?.networkId === networkId && record.endpointId === id && record.nodeId === owner;
    if (!isSound) {
      this.#options.metrics.dropped('malformed');
      return undefined;
    }
    this.#read.set(value, record);
    return record;
  }

  #changed({ networkId, changed, gone }: NetworkChange): void {
    const { nodeId } = this.#options;
    const records = changed.flatMap((shown) =>
      shown.owner === nodeId ? [] : (this.#decoded(networkId, shown) ?? []),
    );
    const there = new Set(
      gone.length === 0 ? [] : this.#gossip.tables.shown(networkId).map(({ id }) => id),
    );
    const lost = gone.flatMap(({ owner, id }) => (owner === nodeId || there.has(id) ? [] : [id]));
    if (records.length === 0 && lost.length === 0) return;
    for (const listener of this.#listeners) listener(networkId, records, lost);
  }

  #memberChanged({ id, addr, standing }: Member, before: Member | undefined): void {
    const fields = { host: id, addr: formatHostPort(addr), standing, before: before?.standing };
    this.#options.logger.info(fields, 'gossip_member');
    for (const listener of this.#standing) listener();
  }

  #figures(): GossipFigures {
    const { tables, membership } = this.#gossip;
    const members = { alive: 0, suspect: 0, dead: 0 };
    for (const { standing } of membership.others) if (standing !== 'left') members[standing] += 1;
    const { networks } = tables;
    const records = networks.reduce((sum, network) => sum + tables.shown(network).length, 0);
    return { members, networks: networks.length, records, doubt: membership.doubt };
  }
}

function isNotOwnAddress(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRNOTAVAIL';
}
