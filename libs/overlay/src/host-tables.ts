import { isDeepStrictEqual } from 'node:util';
import type { EndpointRecord } from '@shoal/state';
import type { HostNetwork, HostNetworkChange } from './networks.ts';

/** One network of this host and everybody in it. */
export interface HostTable {
  readonly network: HostNetwork;
  /** By endpoint id. */
  readonly records: ReadonlyMap<string, EndpointRecord>;
}

interface Table extends HostTable {
  network: HostNetwork;
  readonly records: Map<string, EndpointRecord>;
}

/** What the agent has told of this host's networks, folded together. */
export class HostTables {
  readonly #tables = new Map<string, Table>();

  /** By network id. */
  get networks(): ReadonlyMap<string, HostTable> {
    return this.#tables;
  }

  /**
   * Takes one update. `complete`: networks that it does not name are gone. Returns the ids of the networks
   * that are different now, those that went included.
   */
  fold(changes: readonly HostNetworkChange[], complete: boolean): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const change of changes) if (this.#apply(change)) changed.add(change.id);
    if (!complete) return changed;
    const named = new Set(changes.map(({ id }) => id));
    for (const id of this.#tables.keys()) {
      if (named.has(id)) continue;
      this.#tables.delete(id);
      changed.add(id);
    }
    return changed;
  }

  #apply({ id, removed, network, complete, records, gone }: HostNetworkChange): boolean {
    if (removed) return this.#tables.delete(id);
    const known = this.#tables.get(id);
    const table = known ?? newTable(network);
    // A difference to something that was never told.
    if (table === undefined) return false;
    this.#tables.set(id, table);
    let changed = known === undefined;
    if (network !== undefined && !isDeepStrictEqual(network, table.network)) {
      table.network = network;
      changed = true;
    }
    if (complete && forgetOthers(table, records)) changed = true;
    for (const record of records) {
      if (isDeepStrictEqual(table.records.get(record.endpointId), record)) continue;
      table.records.set(record.endpointId, record);
      changed = true;
    }
    for (const endpointId of gone) if (table.records.delete(endpointId)) changed = true;
    return changed;
  }
}

function newTable(network: HostNetwork | undefined): Table | undefined {
  return network === undefined ? undefined : { network, records: new Map() };
}

function forgetOthers(table: Table, records: readonly EndpointRecord[]): boolean {
  const kept = new Set(records.map(({ endpointId }) => endpointId));
  let changed = false;
  for (const endpointId of table.records.keys()) {
    if (!kept.has(endpointId)) changed = table.records.delete(endpointId);
  }
  return changed;
}
