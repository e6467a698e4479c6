import type { ChangeSet } from '@shoal/stage';
import { portKey, type StateView } from '@shoal/state';

/** The ports that services, as they are to be, publish on the nodes themselves. A cache of the state. */
export class HostPorts {
  /** Service id → the keys of its ports; services without any are not there. */
  readonly #byService = new Map<string, ReadonlySet<string>>();
  /** Key of a port → how many services publish it. */
  readonly #counts = new Map<string, number>();

  take(view: StateView, changed: ChangeSet): void {
    if (changed.everything) {
      this.#byService.clear();
      this.#counts.clear();
      for (const { id } of view.services.values()) this.#look(view, id);
    }
    for (const { table, id, before, after } of changed.changes)
      if (table === 'service' && before?.revision !== after?.revision) this.#look(view, id);
  }

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  #look(view: StateView, id: string): void {
    for (const key of this.#byService.get(id) ?? []) this.#count(key, -1);
    this.#byService.delete(id);
    const service = view.services.get(id);
    const spec = service && view.revisions.of(id, service.revision)?.spec;
    const keys = new Set<string>();
    for (const { PublishMode, Protocol, PublishedPort = 0 } of spec?.EndpointSpec?.Ports ?? [])
      if (PublishMode === 'host' && PublishedPort !== 0) keys.add(portKey(Protocol, PublishedPort));
    if (keys.size === 0) return;
    this.#byService.set(id, keys);
    for (const key of keys) this.#count(key, 1);
  }

  #count(key: string, by: 1 | -1): void {
    const count = (this.#counts.get(key) ?? 0) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
