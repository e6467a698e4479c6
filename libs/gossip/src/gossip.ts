import {
  type Clock,
  formatHostPort,
  type HostPort,
  type Monotonic,
  type Random,
  type Timer,
} from '@shoal/runtime';
import { sealBytes } from './keyring.ts';
import {
  gossipFanOut,
  packetBytesMax,
  seedsEveryMs,
  straySeedsEveryMs,
  sweepEveryMs,
} from './limits.ts';
import { isGone, isSameAddress, type Member } from './member.ts';
import { Membership } from './membership.ts';
import { pickSome } from './pick.ts';
import { type Pushed, pushToAll } from './push.ts';
import { Rounds } from './rounds.ts';
import { retransmissions } from './rumours.ts';
import { TableSync } from './table-sync.ts';
import { EndpointTables } from './tables/endpoint-tables.ts';
import {
  hostsTable,
  isNews,
  recordBytes,
  type TableNews,
  type TableRecord,
} from './tables/record.ts';
import type { NetworkChange, ShownRecord } from './tables/view.ts';
import type { Answer, GossipTransport, Packet, Question } from './transport.ts';

export type { Pushed } from './push.ts';

export interface GossipOptions {
  readonly id: string;
  readonly addr: HostPort;
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly random: Random;
  /** See {@link EndpointTables}. */
  readonly firstTime: number;
  readonly same?: ((value: Uint8Array, truth: Uint8Array) => boolean) | undefined;
  /** Records of other hosts or of this one are shown otherwise than before. */
  readonly changed: (change: NetworkChange) => void;
  /** Awaited before pushed records are acknowledged, after `changed`. */
  readonly applied: (networkId: string) => Promise<void>;
  readonly memberChanged?: ((member: Member, before: Member | undefined) => void) | undefined;
  /** A record of a network was heard for the first time, so long after its owner wrote it. */
  readonly learned?: ((record: TableRecord) => void) | undefined;
}

/** Room in a packet for all but the records: who sends it, the name of the network. */
const packetHeadBytes = sealBytes + 300;

/** One host's gossip: who is there, and what they have in the networks that this host is in. */
export class Gossip {
  readonly #options: GossipOptions;
  readonly #tables: EndpointTables;
  readonly #membership: Membership;
  readonly #sync: TableSync;
  readonly #rounds: Rounds;
  #seeds: readonly HostPort[] = [];
  #timers: Timer[] = [];
  #stopped = false;

  constructor(options: GossipOptions) {
    this.#options = options;
    const { id, addr, transport, clock, random, firstTime, same } = options;
    const timeOfDay = (): number => clock.now();
    this.#tables = new EndpointTables({ self: id, firstTime, same, timeOfDay });
    this.#membership = new Membership({
      id,
      addr,
      transport,
      clock,
      random,
      changed: (member, before) => this.#memberChanged(member, before),
    });
    this.#rounds = new Rounds({
      clock,
      random,
      hasNews: () => this.#tables.restless.length > 0,
      tell: () => this.#tellNews(),
    });
    this.#sync = new TableSync({
      tables: this.#tables,
      transport,
      clock,
      random,
      addressOf: (peer) => this.#membership.member(peer)?.addr,
      heard: (news) => this.#hear(news),
    });
    this.#every(sweepEveryMs, () => this.#change((now) => this.#tables.sweep(now)));
    this.#every(seedsEveryMs, () => {
      const { seeds, strays } = this.#sought();
      if (strays.length === seeds.length) void this.#meetSeed();
    });
    this.#every(straySeedsEveryMs, () => void this.#meetSeed());
  }

  get membership(): Membership {
    return this.#membership;
  }

  get tables(): EndpointTables {
    return this.#tables;
  }

  /** The others reach this host elsewhere from now on. */
  moved(addr: HostPort): void {
    this.#membership.moved(addr);
  }

  /** Where others are found; one is asked at once, and again for as long as any of them is not there. */
  async seeds(seeds: readonly HostPort[]): Promise<void> {
    this.#seeds = seeds;
    await this.#meetSeed();
  }

  join(networkId: string): void {
    this.#change((now) => this.#tables.join(networkId, now));
    this.#sync.soon();
  }

  leave(networkId: string): void {
    this.#change((now) => this.#tables.leave(networkId, now));
  }

  /** Publishes an own record; undefined withdraws it. Does nothing in a network not joined. */
  put(networkId: string, id: string, value: Uint8Array | undefined): TableRecord | undefined {
    const record = this.#change((now) => this.#tables.put(networkId, id, value, now));
    // It fits no packet: others hear of it where they compare.
    if (record !== undefined && !isNews(record)) this.#sync.soon();
    return record;
  }

  /** Like {@link put}, and tells all hosts of the network directly; resolves within `waitMs`. */
  async push(
    networkId: string,
    id: string,
    value: Uint8Array | undefined,
    waitMs: number,
  ): Promise<Pushed> {
    const record = this.put(networkId, id, value);
    if (record === undefined) return { acknowledged: [], missing: [] };
    const peers = this.#tables.peers(networkId).flatMap((peer) => {
      const member = this.#membership.member(peer);
      return member === undefined ? [] : [member];
    });
    const { transport, clock } = this.#options;
    const news: TableNews = { network: networkId, records: [record] };
    return pushToAll({ peers, news, transport, clock, waitMs });
  }

  /** What this host had before it was restarted and has not published again is withdrawn. */
  settle(): void {
    this.#change((now) => this.#tables.settle(now));
  }

  /** Takes all that the managers know of the network; nothing of it is told as a change. */
  overrule(networkId: string, records: readonly ShownRecord[]): void {
    this.#change((now) => this.#tables.overrule(networkId, records, now), networkId);
  }

  /** Takes one datagram, from the address it came from. */
  receive(packet: Packet, from: HostPort): void {
    if (this.#stopped) return;
    this.#membership.receive(packet, from);
    for (const news of packet.tables) this.#hear(news);
  }

  /** Takes in the host that opened a connection, as it introduces itself. */
  greet(member: Member): void {
    if (!this.#stopped && !isGone(member)) this.#membership.greet(member);
  }

  /** Answers another host; undefined: no answer is to be given. */
  async answer(question: Question): Promise<Answer | undefined> {
    if (this.#stopped) return undefined;
    switch (question.kind) {
      case 'reach':
        if (question.target !== this.#options.id) return undefined;
        return { kind: 'reached', same: question.digest === this.#membership.digest() };
      case 'members':
        return { kind: 'members', list: this.#membership.answerSync(question.list) };
      case 'digests':
        return { kind: 'owners', tables: this.#sync.compare(question.tables) };
      case 'records':
        return { kind: 'records', tables: this.#sync.exchange(question.tables) };
      case 'push':
        this.#hear(question.news);
        await this.#options.applied(question.news.network);
        return { kind: 'pushed' };
    }
  }

  /** Says goodbye; news of it go out for a little while yet. */
  depart(): void {
    this.#membership.leave();
  }

  /** Stops after a last packet of news. Who is in no network any more says goodbye with it. */
  close(): void {
    if (this.#tables.networks.length === 0) {
      this.#membership.leave();
      this.#membership.tellNews();
    }
    this.#tellNews();
    this.stop();
  }

  stop(): void {
    this.#stopped = true;
    this.#membership.stop();
    this.#sync.stop();
    for (const timer of this.#timers) timer.cancel();
    this.#rounds.stop();
  }

  #every(pauseMs: number, act: () => void): void {
    const slot = this.#timers.length;
    const { clock, random } = this.#options;
    const arm = (): void => {
      const jitter = 0.9 + 0.2 * random.next();
      this.#timers[slot] = clock.after(pauseMs * jitter, () => {
        arm();
        act();
      });
    };
    arm();
  }

  #memberChanged(member: Member, before: Member | undefined): void {
    this.#options.memberChanged?.(member, before);
    const wasThere = before !== undefined && !isGone(before);
    if (isGone(member)) this.#change((now) => this.#tables.vanished(member.id, now));
    else if (!wasThere) {
      this.#change(() => this.#tables.appeared(member.id));
      this.#sync.soon();
    }
  }

  #hear(news: TableNews): ReturnType<EndpointTables['receive']> {
    const heard = this.#change((now) => this.#tables.receive(news, now));
    if (news.network !== hostsTable)
      for (const record of heard.learned) this.#options.learned?.(record);
    return heard;
  }

  /** Changes the tables, and tells what is shown otherwise but of the network `untold`. */
  #change<T>(act: (now: Monotonic) => T, untold?: string): T {
    const result = act(this.#options.clock.monotonic());
    for (const change of this.#tables.takeChanges())
      if (change.networkId !== untold) this.#options.changed(change);
    this.#rounds.wake();
    return result;
  }

  /** Some hosts of each network with news get a packet of them, however many there are. */
  #tellNews(): void {
    const { id, transport, clock, random } = this.#options;
    const now = clock.monotonic();
    for (const network of this.#tables.restless) {
      const peers = this.#tables.peers(network);
      const times = retransmissions(peers.length + 1);
      for (const peer of pickSome(peers, gossipFanOut, random)) {
        const member = this.#membership.member(peer);
        if (member === undefined) continue;
        let left = packetBytesMax - packetHeadBytes;
        const records = this.#tables.takeNews(network, times, now, (record) => {
          left -= recordBytes(record);
          return left >= 0;
        });
        if (records.length === 0) break;
        const tables = [{ network, records }];
        transport.send(member.addr, { from: id, probe: undefined, rumours: [], tables });
      }
    }
  }

  /** One that is not there: perhaps it is among others that this host has never heard of. */
  async #meetSeed(): Promise<void> {
    const { strays } = this.#sought();
    const joined = await this.#membership.join(pickSome(strays, 1, this.#options.random));
    if (joined > 0) this.#sync.soon();
  }

  /** The seeds but this host itself, and those of them that are not there. */
  #sought(): Readonly<Record<'seeds' | 'strays', readonly HostPort[]>> {
    const { self, present } = this.#membership;
    const seeds = this.#seeds.filter((seed) => !isSameAddress(seed, self.addr));
    const there = new Set(present.map(({ addr }) => formatHostPort(addr)));
    return { seeds, strays: seeds.filter((seed) => !there.has(formatHostPort(seed))) };
  }
}
