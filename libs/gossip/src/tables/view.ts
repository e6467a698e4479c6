import { recordKey, sameValue } from './record.ts';
import type { Table } from './table.ts';

/** A record that is to be served. */
export interface ShownRecord {
  readonly owner: string;
  readonly id: string;
  readonly value: Uint8Array;
}

/** What came, changed and went in one network since it was last asked for. */
export interface NetworkChange {
  readonly networkId: string;
  readonly changed: readonly ShownRecord[];
  readonly gone: readonly Omit<ShownRecord, 'value'>[];
}

/** What the managers say of a record, until its owner says something newer. */
interface Override {
  readonly owner: string;
  readonly id: string;
  /** Undefined: there is no such record. */
  readonly value: Uint8Array | undefined;
  /** The newest word of the owner that was known then. */
  readonly upTo: number;
  /** Its owner was given up since. */
  hidden: boolean;
}

interface ViewOptions {
  readonly table: Table;
  readonly self: string;
  readonly isPresent: (owner: string) => boolean;
  /** Whether a value says the same as the managers' one. */
  readonly same: (value: Uint8Array, truth: Uint8Array) => boolean;
}

/**
 * What of a table is served: the records of hosts that are there, corrected by what the managers said.
 * Corrections stay on this host, so that the table itself is the same everywhere.
 */
export class View {
  readonly #options: ViewOptions;
  readonly #overrides = new Map<string, Override>();
  readonly #shown = new Map<string, ShownRecord>();
  #changes = new Map<string, Omit<ShownRecord, 'value'> & { readonly value?: Uint8Array }>();

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  get shown(): IterableIterator<ShownRecord> {
    return this.#shown.values();
  }

  value(owner: string, id: string): Uint8Array | undefined {
    return this.#shown.get(recordKey(owner, id))?.value;
  }

  /** The record, its owner or what is said of it may have changed. */
  refresh(owner: string, id: string): void {
    const key = recordKey(owner, id);
    const value = this.#valueOf(key, owner, id);
    const before = this.#shown.get(key)?.value;
    if (sameValue(before, value)) return;
    if (value === undefined) {
      this.#shown.delete(key);
      this.#changes.set(key, { owner, id });
    } else {
      this.#shown.set(key, { owner, id, value });
      this.#changes.set(key, { owner, id, value });
    }
  }

  /** The owner came or went. */
  refreshOwner(owner: string): void {
    const hidden = !this.#options.isPresent(owner);
    for (const override of this.#overrides.values()) {
      if (override.owner !== owner) continue;
      override.hidden = hidden;
      this.refresh(owner, override.id);
    }
    for (const [id] of this.#options.table.of(owner)) this.refresh(owner, id);
  }

  /** From now on, until other hosts say something newer, these are their records. */
  overrule(records: readonly ShownRecord[]): void {
    const { table, self } = this.#options;
    const stale = [...this.#overrides.values()];
    this.#overrides.clear();
    const known = new Set<string>();
    for (const { owner, id, value } of records) {
      if (owner === self) continue;
      known.add(recordKey(owner, id));
      if (!this.#isServed(owner, id, value)) this.#override(owner, id, value);
    }
    for (const owner of table.owners()) {
      if (owner === self) continue;
      for (const [id, entry] of table.of(owner)) {
        if (entry.value !== undefined && !known.has(recordKey(owner, id)))
          this.#override(owner, id, undefined);
        this.refresh(owner, id);
      }
    }
    for (const { owner, id } of [...stale, ...this.#overrides.values()]) this.refresh(owner, id);
  }

  takeChanges(): Omit<NetworkChange, 'networkId'> | undefined {
    if (this.#changes.size === 0) return undefined;
    const changed: ShownRecord[] = [];
    const gone: Omit<ShownRecord, 'value'>[] = [];
    for (const { owner, id, value } of this.#changes.values())
      if (value === undefined) gone.push({ owner, id });
      else changed.push({ owner, id, value });
    this.#changes = new Map();
    return { changed, gone };
  }

  #isServed(owner: string, id: string, truth: Uint8Array): boolean {
    const value = this.#options.table.get(owner, id)?.value;
    if (value === undefined || !this.#options.isPresent(owner)) return false;
    return this.#options.same(value, truth);
  }

  #override(owner: string, id: string, value: Uint8Array | undefined): void {
    const upTo = this.#options.table.get(owner, id)?.time ?? 0;
    this.#overrides.set(recordKey(owner, id), { owner, id, value, upTo, hidden: false });
  }

  #valueOf(key: string, owner: string, id: string): Uint8Array | undefined {
    const { table, isPresent } = this.#options;
    const entry = table.get(owner, id);
    const override = this.#overrides.get(key);
    if (override !== undefined && (entry?.time ?? 0) <= override.upTo)
      return override.hidden ? undefined : override.value;
    if (override !== undefined) this.#overrides.delete(key);
    return isPresent(owner) ? entry?.value : undefined;
  }
}
