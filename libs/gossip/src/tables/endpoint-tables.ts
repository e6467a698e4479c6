import { later, type Monotonic } from '@shoal/runtime';
import { Broadcasts } from '../broadcasts.ts';
import { digestText } from '../digest.ts';
import {
  absentKeptMs,
  aheadMsMax,
  inheritedKeptMs,
  recordsMax,
  tableBroadcastsMax,
  tombstoneKeptMs,
} from '../limits.ts';
import { Attachments, attachment, voidUpTo } from './attachment.ts';
import {
  compareVersions,
  hostsTable,
  isNews,
  recordKey,
  sameValue,
  type TableNews,
  type TableRecord,
} from './record.ts';
import { type Entry, Table } from './table.ts';
import { type NetworkChange, type ShownRecord, View } from './view.ts';

export interface EndpointTablesOptions {
  /** This host's node id. */
  readonly self: string;
  /**
   * Lamport time to begin after. With the wall clock's milliseconds a restarted host is newer than its own
   * past at once; with anything else it is as soon as it hears of it.
   */
  readonly firstTime: number;
  /** The time of day, where it may be set right later than this begins; milliseconds. */
  readonly timeOfDay?: (() => number) | undefined;
  /** Whether a record's value says the same as the managers' one; equality by default. */
  readonly same?: ((value: Uint8Array, truth: Uint8Array) => boolean) | undefined;
}

/** What came of records that were heard. */
export interface Heard {
  /** Records that were new to this host. */
  readonly learned: readonly TableRecord[];
  /** What this host knows better than who sent them. */
  readonly corrections: readonly TableNews[];
}

interface Kept {
  readonly table: Table;
  readonly view: View;
  readonly news: Broadcasts<Omit<ShownRecord, 'value'>>;
  /** Own records from before a restart, which nobody has claimed yet. */
  readonly inherited: Set<string>;
  /** Own ones that may be inherited; undefined while nobody has said. */
  claimed: ReadonlySet<string> | undefined;
  /** Undefined when something has changed since. */
  digest: string | undefined;
}

/**
 * Per network a table of records, each written by the host that owns it alone, and one table of which host
 * is in which network. The newest word of the owner counts, whatever the order in which hosts hear of it,
 * and what they know of its attachments never keeps them from taking its records.
 */
export class EndpointTables {
  readonly #self: string;
  readonly #same: (value: Uint8Array, truth: Uint8Array) => boolean;
  readonly #present: Set<string>;
  readonly #tables = new Map<string, Kept>();
  readonly #hosts: Kept;
  readonly #attachments = new Attachments();
  readonly #absentSince = new Map<string, Monotonic>();
  readonly #firstTime: number;
  readonly #timeOfDay: () => number;
  #clock: number;
  /** When this host first heard of another; undefined until then. */
  #heardAt: Monotonic | undefined;
  /** When this host first said what it has; undefined until then. */
  #beganAt: Monotonic | undefined;
  /** What is heard of this host from before its restart is not its own any more. */
  #settled = false;

  constructor({ self, firstTime, same, timeOfDay = () => 0 }: EndpointTablesOptions) {
    this.#self = self;
    this.#firstTime = firstTime;
    this.#timeOfDay = timeOfDay;
    this.#clock = firstTime;
    this.#same = same ?? ((value, truth) => Buffer.compare(value, truth) === 0);
    this.#present = new Set([self]);
    this.#hosts = this.#open(hostsTable);
  }

  /** Networks that this host is in. */
  get networks(): readonly string[] {
    return [...this.#tables.keys()].filter((network) => network !== hostsTable);
  }

  has(networkId: string): boolean {
    return this.#tables.has(networkId);
  }

  join(networkId: string, now: Monotonic): void {
    this.#beganAt ??= now;
    if (this.#tables.has(networkId)) return;
    this.#open(networkId);
    const before = this.#hosts.table.get(this.#self, networkId);
    this.#hosts.inherited.delete(networkId);
    const value = attachment(before === undefined ? 0 : voidUpTo(before));
    this.#write(hostsTable, this.#hosts, networkId, value, now);
  }

  /** Leaves the network, which ends all own records in it: nobody takes older word of them. */
  leave(networkId: string, now: Monotonic): void {
    if (!this.#tables.delete(networkId)) return;
    this.#write(hostsTable, this.#hosts, networkId, undefined, now);
  }

  /** Publishes an own record, or withdraws it; the same again is nothing. Undefined outside of the network. */
  put(
    networkId: string,
    id: string,
    value: Uint8Array | undefined,
    now: Monotonic,
  ): TableRecord | undefined {
    this.#beganAt ??= now;
    const kept = this.#tables.get(networkId);
    if (kept === undefined) return undefined;
    kept.inherited.delete(id);
    const before = kept.table.get(this.#self, id);
    // What is withdrawn and not known here may be known elsewhere, from before a restart.
    if (before === undefined || !sameValue(before.value, value))
      this.#write(networkId, kept, id, value, now);
    return this.#record(kept, this.#self, id, now);
  }

  /** What another host said. Nothing comes of records of networks that this host is not in. */
  receive({ network, records: said }: TableNews, now: Monotonic): Heard {
    const kept = this.#tables.get(network);
    const records = said.filter(({ time }) => time <= this.#latest(now));
    const learned: TableRecord[] = [];
    const corrections = new Map<string, TableRecord[]>();
    for (const { time } of records) this.#clock = Math.max(this.#clock, time);
    if (kept === undefined) this.#hearOutside({ network, records }, now);
    for (const record of kept === undefined ? [] : records) {
      const better = this.#hear(network, record, now, learned);
      if (better === undefined) continue;
      const [about, newer] = better;
      corrections.set(about, [...(corrections.get(about) ?? []), newer]);
    }
    return {
      learned,
      corrections: [...corrections].map(([about, newer]) => ({ network: about, records: newer })),
    };
  }

  /** Takes what managers know of the network: it overrules the rest until an owner says more. */
  overrule(networkId: string, records: readonly ShownRecord[], now: Monotonic): void {
    this.#beganAt ??= now;
    const kept = this.#tables.get(networkId);
    if (kept === undefined) return;
    const own = new Set(records.flatMap(({ owner, id }) => (owner === this.#self ? [id] : [])));
    for (const id of kept.inherited) if (!own.has(id)) this.#disown(networkId, kept, id, now);
    kept.claimed = own;
    kept.view.overrule(records);
  }

  /** Everything that this host had before it was restarted and has not published again is withdrawn. */
  settle(now: Monotonic): void {
    this.#settled = true;
    for (const [network, kept] of this.#tables) {
      kept.claimed = new Set();
      for (const id of kept.inherited) this.#disown(network, kept, id, now);
    }
  }

  /** The host is there: its records are shown at once. */
  appeared(owner: string): void {
    if (this.#present.has(owner)) return;
    this.#present.add(owner);
    this.#absentSince.delete(owner);
    this.#refreshOwner(owner);
  }

  /** The host has failed or left: its records are kept, and hidden at once. */
  vanished(owner: string, now: Monotonic): void {
    if (owner === this.#self || !this.#present.delete(owner)) return;
    this.#absentSince.set(owner, now);
    this.#refreshOwner(owner);
    for (const { table, news } of this.#tables.values())
      for (const [id] of table.of(owner)) news.drop(recordKey(owner, id));
  }

  /** What is served of the network, own records included. */
  shown(networkId: string): readonly ShownRecord[] {
    return [...(this.#tables.get(networkId)?.view.shown ?? [])];
  }

  /** One value of those. */
  value(networkId: string, owner: string, id: string): Uint8Array | undefined {
    return this.#tables.get(networkId)?.view.value(owner, id);
  }

  takeChanges(): readonly NetworkChange[] {
    const changes: NetworkChange[] = [];
    for (const [networkId, { view }] of this.#tables) {
      const change = view.takeChanges();
      if (change !== undefined && networkId !== hostsTable) changes.push({ networkId, ...change });
    }
    return changes;
  }

  /** Other hosts in the network that are there. Who owns records in it is, whatever is known of attachments. */
  peers(networkId: string): readonly string[] {
    const peers = new Set(
      networkId === hostsTable ? this.#present : this.#attachments.in(networkId),
    );
    const table = this.#tables.get(networkId)?.table;
    for (const owner of table?.owners() ?? [])
      if (table !== undefined && table.live(owner) > 0) peers.add(owner);
    peers.delete(this.#self);
    return [...peers].filter((peer) => this.#present.has(peer));
  }

  /** Tables that both hosts hold. */
  sharedWith(peer: string): readonly string[] {
    const isThere = (network: string): boolean =>
      network === hostsTable ||
      this.#attachments.in(network).has(peer) ||
      (this.#tables.get(network)?.table.live(peer) ?? 0) > 0;
    return [...this.#tables.keys()].filter(isThere);
  }

  /** Tables with news to pass on. */
  get restless(): readonly string[] {
    return [...this.#tables].flatMap(([network, { news }]) => (news.size > 0 ? [network] : []));
  }

  /** News for one packet; each counts as told once and is told `times`. */
  takeNews(
    network: string,
    times: number,
    now: Monotonic,
    fits: (record: TableRecord) => boolean,
  ): readonly TableRecord[] {
    const kept = this.#tables.get(network);
    if (kept === undefined) return [];
    const records: TableRecord[] = [];
    kept.news.take(times, ({ owner, id }) => {
      const record = this.#record(kept, owner, id, now);
      if (record === undefined) return true;
      if (!fits(record)) return false;
      records.push(record);
      return true;
    });
    return records;
  }

  /** Digest of all records of hosts that are there; equal digests mean equal records. */
  digest(network: string): string | undefined {
    const kept = this.#tables.get(network);
    if (kept === undefined) return undefined;
    kept.digest ??= digestText(kept.table.digestOf(this.#present));
    return kept.digest;
  }

  /** Digest of each owner's records, of owners that are there, by owner. */
  ownerDigests(network: string): ReadonlyMap<string, string> {
    return this.#tables.get(network)?.table.digestsOf(this.#present) ?? new Map();
  }

  /** What these owners have in the table, where they are there; withdrawn records are left out. */
  recordsOf(network: string, owners: Iterable<string>, now: Monotonic): readonly TableRecord[] {
    const kept = this.#tables.get(network);
    const records: TableRecord[] = [];
    for (const owner of kept === undefined ? [] : owners) {
      if (kept === undefined || !this.#present.has(owner)) continue;
      for (const [id, { value }] of kept.table.of(owner)) {
        const record = value === undefined ? undefined : this.#record(kept, owner, id, now);
        if (record !== undefined) records.push(record);
      }
    }
    return records;
  }

  /** Forgets what was withdrawn long ago, and what hosts had that have been away for long. */
  sweep(now: Monotonic): void {
    if (this.#beganAt !== undefined && now - this.#beganAt >= inheritedKeptMs) this.settle(now);
    const isReaped = (since: Monotonic | undefined, keptMs: number): boolean =>
      since !== undefined && now - since > keptMs;
    for (const [network, kept] of this.#tables)
      for (const owner of [...kept.table.owners()]) {
        if (!this.#present.has(owner) && !this.#absentSince.has(owner))
          this.#absentSince.set(owner, now);
        const isLost = isReaped(this.#absentSince.get(owner), absentKeptMs);
        for (const [id, { value, writtenAt }] of [...kept.table.of(owner)])
          if (isLost || (value === undefined && isReaped(writtenAt, tombstoneKeptMs)))
            this.#erase(network, kept, owner, id);
      }
    for (const [owner, since] of this.#absentSince)
      if (isReaped(since, absentKeptMs)) this.#absentSince.delete(owner);
  }

  /** A record of a later time is none: nobody could write a newer one. */
  #latest(now: Monotonic): number {
    this.#heardAt ??= now;
    const elapsed = this.#firstTime + (now - this.#heardAt);
    return Math.max(elapsed, this.#timeOfDay()) + aheadMsMax;
  }

  #open(network: string): Kept {
    const table = new Table();
    const isPresent = (owner: string): boolean => this.#present.has(owner);
    const kept: Kept = {
      table,
      view: new View({ table, self: this.#self, isPresent, same: this.#same }),
      news: new Broadcasts(tableBroadcastsMax),
      inherited: new Set(),
      claimed: this.#settled ? new Set() : undefined,
      digest: undefined,
    };
    this.#tables.set(network, kept);
    return kept;
  }

  /** Something newer of this host's, when there is. */
  #hear(
    network: string,
    record: TableRecord,
    now: Monotonic,
    learned: TableRecord[],
  ): readonly [string, TableRecord] | undefined {
    const kept = this.#tables.get(network);
    if (kept === undefined) return undefined;
    const { owner, id, time } = record;
    if (owner === this.#self) return this.#hearOwn(network, kept, record, now);
    const stay = network === hostsTable ? undefined : this.#hosts.table.get(owner, network);
    if (stay !== undefined && voidUpTo(stay) >= time)
      return this.#correction(hostsTable, this.#hosts, owner, network, now);
    const known = kept.table.get(owner, id);
    const order = known === undefined ? 1 : compareVersions(record, known);
    if (order < 0) return this.#correction(network, kept, owner, id, now);
    if (order === 0 || (known === undefined && kept.table.size >= recordsMax)) return undefined;
    this.#keep(network, kept, record, now);
    if (this.#present.has(owner)) this.#tell(kept, record);
    learned.push(record);
    return undefined;
  }

  /**
   * Of a network that this host is not in. Where others remember records of its own from after it left, as
   * it tells, it forgot its clock in between: it leaves once more.
   */
  #hearOutside({ network, records }: TableNews, now: Monotonic): void {
    const left = this.#hosts.table.get(this.#self, network);
    const isPast = ({ owner, value, time }: TableRecord): boolean =>
      owner === this.#self && value !== undefined && time >= (left?.time ?? 0);
    if (left?.value === undefined && this.#hosts.claimed !== undefined && records.some(isPast))
      this.#write(hostsTable, this.#hosts, network, undefined, now);
  }

  /** Others do not know better what this host has; at most they remember what it had. */
  #hearOwn(
    network: string,
    kept: Kept,
    record: TableRecord,
    now: Monotonic,
  ): readonly [string, TableRecord] | undefined {
    const { owner, id, value } = record;
    const own = kept.table.get(owner, id);
    const isPast = own === undefined || kept.inherited.has(id);
    if (own !== undefined) {
      const order = compareVersions(record, own);
      if (order < 0) return this.#correction(network, kept, owner, id, now);
      if (order === 0) return undefined;
    } else if (value === undefined) return undefined;
    if (!isPast) this.#write(network, kept, id, own?.value, now);
    else if (value !== undefined && kept.claimed?.has(id) === false)
      this.#disown(network, kept, id, now);
    else {
      this.#keep(network, kept, record, now);
      if (value === undefined) kept.inherited.delete(id);
      else kept.inherited.add(id);
    }
    // Everybody has taken its records out with this; they must be newer than it.
    if (network === hostsTable && value === undefined) this.#repeat(id, now);
    return undefined;
  }

  /** Says all own records of the network again, as of now. */
  #repeat(networkId: string, now: Monotonic): void {
    const kept = this.#tables.get(networkId);
    if (kept === undefined) return;
    for (const [id, { value }] of [...kept.table.of(this.#self)])
      if (value !== undefined) this.#write(networkId, kept, id, value, now);
  }

  #disown(network: string, kept: Kept, id: string, now: Monotonic): void {
    kept.inherited.delete(id);
    this.#write(network, kept, id, undefined, now);
  }

  #write(
    network: string,
    kept: Kept,
    id: string,
    value: Uint8Array | undefined,
    now: Monotonic,
  ): void {
    this.#clock += 1;
    const owner = this.#self;
    const record = { owner, id, time: this.#clock, value, ageMs: 0 };
    this.#keep(network, kept, record, now);
    this.#tell(kept, record);
  }

  #tell({ news }: Kept, record: TableRecord): void {
    const { owner, id } = record;
    const key = recordKey(owner, id);
    if (isNews(record)) news.put(key, { owner, id });
    else news.drop(key);
  }

  #keep(network: string, kept: Kept, record: TableRecord, now: Monotonic): void {
    const { owner, id, time, value, ageMs } = record;
    const entry: Entry = { time, value, writtenAt: later(now, -ageMs) };
    kept.table.set(owner, id, entry);
    kept.digest = undefined;
    kept.view.refresh(owner, id);
    if (network === hostsTable) this.#attachmentChanged(owner, id, entry);
  }

  #attachmentChanged(owner: string, networkId: string, stay: Entry): void {
    this.#attachments.set(owner, networkId, stay.value !== undefined);
    const kept = this.#tables.get(networkId);
    if (kept === undefined || owner === this.#self) return;
    for (const [id, record] of [...kept.table.of(owner)])
      if (record.time <= voidUpTo(stay)) this.#erase(networkId, kept, owner, id);
  }

  #erase(network: string, kept: Kept, owner: string, id: string): void {
    kept.table.delete(owner, id);
    kept.digest = undefined;
    kept.news.drop(recordKey(owner, id));
    kept.view.refresh(owner, id);
    if (network === hostsTable) this.#attachments.set(owner, id, false);
  }

  #refreshOwner(owner: string): void {
    for (const kept of this.#tables.values()) {
      kept.digest = undefined;
      kept.view.refreshOwner(owner);
    }
  }

  #correction(
    network: string,
    kept: Kept,
    owner: string,
    id: string,
    now: Monotonic,
  ): readonly [string, TableRecord] | undefined {
    const record = this.#record(kept, owner, id, now);
    return record === undefined ? undefined : [network, record];
  }

  #record(kept: Kept, owner: string, id: string, now: Monotonic): TableRecord | undefined {
    const entry = kept.table.get(owner, id);
    if (entry === undefined) return undefined;
    const { time, value, writtenAt } = entry;
    return { owner, id, time, value, ageMs: Math.max(0, Math.round(now - writtenAt)) };
  }
}
