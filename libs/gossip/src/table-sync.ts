import type { Clock, HostPort, Random, Timer } from '@shoal/runtime';
import {
  exchangeBytesMax,
  tableSyncEveryMs,
  tableSyncPeersMax,
  tableSyncSoonMs,
  tableSyncsSoon,
} from './limits.ts';
import { pickSome } from './pick.ts';
import type { EndpointTables, Heard } from './tables/endpoint-tables.ts';
import { hostsTable, recordBytes, type TableNews, type TableRecord } from './tables/record.ts';
import type { GossipTransport, TableDigest, TableExchange, TableOwners } from './transport.ts';

export interface TableSyncOptions {
  readonly tables: EndpointTables;
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly addressOf: (peer: string) => HostPort | undefined;
  readonly heard: (news: TableNews) => Heard;
}

/**
 * Compares tables with other hosts, one of each network in turn, and exchanges what differs: first a digest
 * of each table, then one for each owner in those that differ, then the records of these owners. Whatever
 * packets were lost, hosts of one network come to hold the same.
 */
export class TableSync {
  readonly #options: TableSyncOptions;
  #timer: Timer | undefined;
  /** Syncs that follow quickly, for there is reason to think that something was missed. */
  #soon = 0;
  #running = false;
  #stopped = false;

  constructor(options: TableSyncOptions) {
    this.#options = options;
    this.#arm();
  }

  /** Something may have been missed. */
  soon(): void {
    if (this.#stopped) return;
    const waits = this.#soon > 0;
    this.#soon = tableSyncsSoon;
    if (!waits) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Another host's digests; how the tables stand here that differ. */
  compare(tables: readonly TableDigest[]): readonly TableOwners[] {
    const own = this.#options.tables;
    return tables.flatMap(({ network, digest }) => {
      const here = own.digest(network);
      if (here === digest) return [];
      return [{ network, absent: here === undefined, owners: own.ownerDigests(network) }];
    });
  }

  /** Takes another host's records; gives those that it lacks of these owners, and what is newer here. */
  exchange(tables: readonly TableExchange[]): readonly TableNews[] {
    const { tables: own, clock, heard } = this.#options;
    const answer: TableNews[] = [];
    for (const { network, records, owners } of tables) {
      const { corrections } = heard({ network, records });
      const known = new Set(records.map(({ owner, id }) => `${owner} ${id}`));
      const lacking = own
        .recordsOf(network, owners, clock.monotonic())
        .filter(({ owner, id }) => !known.has(`${owner} ${id}`));
      answer.push(...corrections, { network, records: lacking });
    }
    return bounded(answer);
  }

  #arm(): void {
    const { clock, random } = this.#options;
    const pauseMs = this.#soon > 0 ? tableSyncSoonMs : tableSyncEveryMs;
    this.#timer?.cancel();
    this.#timer = clock.after(pauseMs * (0.75 + 0.5 * random.next()), () => {
      this.#soon = Math.max(0, this.#soon - 1);
      this.#arm();
      if (!this.#running) void this.#round();
    });
  }

  /** Compares each table with some host that holds it too. */
  async #round(): Promise<void> {
    const { tables, random } = this.#options;
    this.#running = true;
    const all = [hostsTable, ...tables.networks];
    const left = new Set(pickSome(all, all.length, random));
    for (let peers = 0; peers < tableSyncPeersMax; ) {
      const [network] = left;
      if (network === undefined || this.#stopped) break;
      const [peer] = pickSome(tables.peers(network), 1, random);
      left.delete(network);
      if (peer === undefined) continue;
      peers += 1;
      const shared = tables.sharedWith(peer);
      for (const one of shared) left.delete(one);
      await this.#with(peer, shared);
    }
    this.#running = false;
  }

  async #with(peer: string, shared: readonly string[]): Promise<void> {
    const { tables, transport, addressOf, clock, heard } = this.#options;
    const addr = addressOf(peer);
    if (addr === undefined) return;
    const digests = shared.flatMap((network) => {
      const digest = tables.digest(network);
      return digest === undefined ? [] : [{ network, digest }];
    });
    const differing = await transport.ask(addr, { kind: 'digests', tables: digests });
    if (differing?.kind !== 'owners' || differing.tables.length === 0 || this.#stopped) return;
    const now = clock.monotonic();
    const exchange = differing.tables.map(({ network, absent, owners: there }): TableExchange => {
      // Who is not in the network is reminded of what others think it has there.
      if (absent) return { network, owners: [], records: tables.recordsOf(network, [peer], now) };
      const owners = differingOwners(tables.ownerDigests(network), there);
      return { network, owners, records: tables.recordsOf(network, owners, now) };
    });
    const answer = await transport.ask(addr, { kind: 'records', tables: bounded(exchange) });
    if (answer?.kind !== 'records' || this.#stopped) return;
    const results = answer.tables.map((news) => heard(news));
    if (results.some(({ learned }) => learned.length > 0)) this.soon();
    const corrections = results.flatMap((result) =>
      result.corrections.map((news): TableExchange => ({ ...news, owners: [] })),
    );
    if (corrections.length > 0)
      await transport.ask(addr, { kind: 'records', tables: bounded(corrections) });
  }
}

function differingOwners(
  here: ReadonlyMap<string, string>,
  there: ReadonlyMap<string, string>,
): readonly string[] {
  const all = new Set([...here.keys(), ...there.keys()]);
  return [...all].filter((owner) => here.get(owner) !== there.get(owner));
}

/** As many of the records as fit one message. */
function bounded<News extends TableNews>(tables: readonly News[]): readonly News[] {
  let left = exchangeBytesMax;
  const fits = (record: TableRecord): boolean => {
    left -= recordBytes(record);
    return left >= 0;
  };
  return tables.map((news) => ({ ...news, records: news.records.filter(fits) }));
}
