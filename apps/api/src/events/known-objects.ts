import type { Instant } from '@shoal/runtime';
import type {
  AppliedChange,
  Config,
  Network,
  Node,
  Secret,
  Service,
  StateObject,
  StateView,
} from '@shoal/state';

/** A change of which only the end was seen. */
export interface LateChange {
  readonly change: AppliedChange;
  readonly at: Instant;
}

interface Ends<T> {
  readonly id: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** The objects that clients hear events of, as they were told last. */
export class KnownObjects {
  readonly #services = new Map<string, Service>();
  readonly #nodes = new Map<string, Node>();
  readonly #networks = new Map<string, Network>();
  readonly #secrets = new Map<string, Secret>();
  readonly #configs = new Map<string, Config>();

  static of({ services, nodes, networks, secrets, configs }: StateView): KnownObjects {
    const known = new KnownObjects();
    for (const each of services.values()) known.#services.set(each.id, each);
    for (const each of nodes.values()) known.#nodes.set(each.id, each);
    for (const each of networks.values()) known.#networks.set(each.id, each);
    for (const each of secrets.values()) known.#secrets.set(each.id, each);
    for (const each of configs.values()) known.#configs.set(each.id, each);
    return known;
  }

  changed(change: AppliedChange): void {
    switch (change.table) {
      case 'service':
        put(this.#services, change);
        break;
      case 'node':
        put(this.#nodes, change);
        break;
      case 'network':
        put(this.#networks, change);
        break;
      case 'secret':
        put(this.#secrets, change);
        break;
      case 'config':
        put(this.#configs, change);
        break;
    }
  }

  /**
   * What made `now` of this, in the order of its time as far as that is known: when something was removed nobody can
   * tell any more, so it counts as removed by the newest time there is.
   */
  changesTo(now: KnownObjects): readonly LateChange[] {
    const changes = [
      ...late(this.#services, now.#services, (ends) => ({ table: 'service', ...ends })),
      ...late(this.#nodes, now.#nodes, (ends) => ({ table: 'node', ...ends })),
      ...late(this.#networks, now.#networks, (ends) => ({ table: 'network', ...ends })),
      ...late(this.#secrets, now.#secrets, (ends) => ({ table: 'secret', ...ends })),
      ...late(this.#configs, now.#configs, (ends) => ({ table: 'config', ...ends })),
    ];
    const newest = Math.max(0, ...changes.map(({ at = 0 }) => at)) as Instant;
    return changes.map(({ change, at = newest }) => ({ change, at })).sort((a, b) => a.at - b.at);
  }
}

function put<T>(objects: Map<string, T>, { id, after }: Pick<Ends<T>, 'id' | 'after'>): void {
  if (after === undefined) objects.delete(id);
  else objects.set(id, after);
}

function* late<T extends StateObject>(
  were: ReadonlyMap<string, T>,
  are: ReadonlyMap<string, T>,
  changeOf: (ends: Ends<T>) => AppliedChange,
): Iterable<{ readonly change: AppliedChange; readonly at?: Instant }> {
  for (const [id, before] of were)
    if (!are.has(id)) yield { change: changeOf({ id, before, after: undefined }) };
  for (const [id, after] of are) {
    const before = were.get(id);
    if (before?.meta.version !== after.meta.version)
      yield { change: changeOf({ id, before, after }), at: after.meta.updatedAt };
  }
}
