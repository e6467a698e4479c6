import { CataloguedError } from '@shoal/runtime';
import type { TableName } from './objects.ts';
import type { AppliedChange, AppliedEntry } from './transaction.ts';

/** Watchers of one replica at a time. */
export const watchersMax = 10_000;

/** All given members must match. `serviceId` and `nodeId` also match the service or node itself. */
export interface WatchSelector {
  readonly table: TableName;
  readonly id?: string | undefined;
  readonly serviceId?: string | undefined;
  readonly nodeId?: string | undefined;
}

/** Called after the whole entry is in the state. Must not throw. */
export type WatchListener = (change: AppliedChange, entry: AppliedEntry) => void;

interface Watcher {
  readonly selector: WatchSelector;
  readonly listener: WatchListener;
}

/** Who wants to hear of which changes. A change costs only those who may be concerned. */
export class Watchers {
  readonly #byKey = new Map<string, Set<Watcher>>();
  #count = 0;

  add(selector: WatchSelector, listener: WatchListener): () => void {
    if (this.#count >= watchersMax)
      throw new CataloguedError('exhausted', `more than ${watchersMax} watchers of the state`);
    const watcher = { selector, listener };
    const key = keyOf(selector);
    const watchers = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, watchers.add(watcher));
    this.#count += 1;
    return () => this.#remove(key, watcher);
  }

  tell(entry: AppliedEntry): void {
    if (this.#count === 0) return;
    for (const change of entry.changes)
      for (const key of keysOf(change)) {
        const watchers = this.#byKey.get(key);
        if (watchers === undefined) continue;
        for (const { selector, listener } of [...watchers])
          if (matches(selector, change)) listener(change, entry);
      }
  }

  #remove(key: string, watcher: Watcher): void {
    const watchers = this.#byKey.get(key);
    if (!watchers?.delete(watcher)) return;
    this.#count -= 1;
    if (watchers.size === 0) this.#byKey.delete(key);
  }
}

/** A watcher waits under its narrowest key. */
function keyOf({ table, id, serviceId, nodeId }: WatchSelector): string {
  if (id !== undefined) return `${table} id ${id}`;
  if (nodeId !== undefined) return `${table} node ${nodeId}`;
  if (serviceId !== undefined) return `${table} service ${serviceId}`;
  return table;
}

function keysOf(change: AppliedChange): readonly string[] {
  const { table, id } = change;
  const keys: string[] = [table, `${table} id ${id}`];
  const serviceId = serviceOf(change);
  if (serviceId !== undefined) keys.push(`${table} service ${serviceId}`);
  for (const nodeId of nodesOf(change)) keys.push(`${table} node ${nodeId}`);
  return keys;
}

function matches(selector: WatchSelector, change: AppliedChange): boolean {
  const { id, serviceId, nodeId } = selector;
  return (
    (id === undefined || id === change.id) &&
    (serviceId === undefined || serviceId === serviceOf(change)) &&
    (nodeId === undefined || nodesOf(change).has(nodeId))
  );
}

function serviceOf(change: AppliedChange): string | undefined {
  switch (change.table) {
    case 'service':
      return change.id;
    case 'revision':
    case 'task':
    case 'volumeHome':
      return (change.after ?? change.before)?.serviceId;
    default:
      return undefined;
  }
}

function nodesOf(change: AppliedChange): ReadonlySet<string> {
  const nodes = new Set<string>();
  if (change.table === 'node') nodes.add(change.id);
  if (change.table === 'task' || change.table === 'lease' || change.table === 'attachment') {
    if (change.before?.nodeId) nodes.add(change.before.nodeId);
    if (change.after?.nodeId) nodes.add(change.after.nodeId);
  }
  return nodes;
}
