import { isDeepStrictEqual } from 'node:util';
import type { Monotonic } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';

/**
 * How long word of other hosts counts more than what a dispatcher says, milliseconds: a host tells others
 * before it reports, so that the log is behind by the time of a report and of the wait before it.
 */
export const freshMs = 4_000;

interface Entry {
  /** Undefined: gone. */
  readonly record: EndpointRecord | undefined;
  /** When another host said so; undefined for what a dispatcher or this host's memory says. */
  readonly heardAt: Monotonic | undefined;
}

/**
 * Everybody in one network as this host knows them. Of its own endpoints it alone knows; of others hosts
 * tell, and the dispatcher, whose word is the truth as soon as the hosts' is not fresh any more.
 */
export class NetworkRecords {
  readonly #nodeId: string;
  readonly #own = new Map<string, EndpointRecord>();
  readonly #others = new Map<string, Entry>();
  /** Whether all records were known at some time, so that what is missing now is not simply unknown. */
  #known = false;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  get known(): boolean {
    return this.#known;
  }

  get(endpointId: string): EndpointRecord | undefined {
    return this.#own.get(endpointId) ?? this.#others.get(endpointId)?.record;
  }

  isOwn(endpointId: string): boolean {
    return this.#own.has(endpointId);
  }

  own(): readonly EndpointRecord[] {
    return [...this.#own.values()];
  }

  others(): readonly EndpointRecord[] {
    return [...this.#others.values()].flatMap(({ record }) => record ?? []);
  }

  all(): readonly EndpointRecord[] {
    return [...this.#own.values(), ...this.others()];
  }

  /** False when that was known. */
  setOwn(record: EndpointRecord): boolean {
    if (isDeepStrictEqual(this.#own.get(record.endpointId), record)) return false;
    this.#own.set(record.endpointId, record);
    this.#others.delete(record.endpointId);
    return true;
  }

  deleteOwn(endpointId: string): boolean {
    return this.#own.delete(endpointId);
  }

  /** What other hosts say now. Returns the endpoints that are different. */
  heard(
    changed: readonly EndpointRecord[],
    gone: readonly string[],
    now: Monotonic,
  ): readonly string[] {
    this.#prune(now);
    const different: string[] = [];
    for (const record of changed) {
      if (record.nodeId === this.#nodeId) continue;
      if (this.#set(record.endpointId, { record, heardAt: now })) different.push(record.endpointId);
    }
    for (const id of gone) {
      if (this.#own.has(id)) continue;
      if (this.#set(id, { record: undefined, heardAt: now })) different.push(id);
    }
    return different;
  }

  /** What a dispatcher says: all of the network's records. Returns the endpoints that are different. */
  told(records: readonly EndpointRecord[], now: Monotonic): readonly string[] {
    this.#known = true;
    this.#prune(now);
    const different: string[] = [];
    const said = new Set<string>();
    for (const record of records) {
      if (record.nodeId === this.#nodeId) continue;
      said.add(record.endpointId);
      if (this.#isFresh(record.endpointId, now)) continue;
      const whole = withOwnWords(record, this.#others.get(record.endpointId)?.record);
      if (this.#set(record.endpointId, { record: whole, heardAt: undefined })) {
        different.push(record.endpointId);
      }
    }
    for (const id of this.#others.keys()) {
      if (said.has(id) || this.#isFresh(id, now)) continue;
      if (this.#others.get(id)?.record !== undefined) different.push(id);
      this.#others.delete(id);
    }
    return different;
  }

  #isFresh(endpointId: string, now: Monotonic): boolean {
    const heardAt = this.#others.get(endpointId)?.heardAt;
    return heardAt !== undefined && now - heardAt < freshMs;
  }

  /** True when something else is to be served than before. */
  #set(endpointId: string, entry: Entry): boolean {
    const before = this.#others.get(endpointId)?.record;
    this.#others.set(endpointId, entry);
    return !isDeepStrictEqual(before, entry.record);
  }

  /** Who went is remembered only while that is newer than what a dispatcher may say. */
  #prune(now: Monotonic): void {
    for (const [id, { record }] of this.#others) {
      if (record === undefined && !this.#isFresh(id, now)) this.#others.delete(id);
    }
  }
}

/** Not in the log is what only the container's own host knows: further names, and that it hides clients. */
function withOwnWords(told: EndpointRecord, known: EndpointRecord | undefined): EndpointRecord {
  if (known === undefined) return told;
  const named = { ...told, containerAliases: known.containerAliases };
  if (named.service === undefined || known.service?.sourceAddress !== 'masquerade') return named;
  return { ...named, service: { sourceAddress: 'masquerade', ...named.service } };
}
