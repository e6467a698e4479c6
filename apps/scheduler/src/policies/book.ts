import {
  type AppliedChange,
  affinityOf,
  type Cluster,
  currentOf,
  dependenciesOf,
  itself,
  type Labels,
  namesMeant,
  placementLabels,
  priorityOf,
  type Service,
  type StateView,
  serviceByLabelName,
  type Task,
} from '@shoal/state';
import { Displacements } from './displacements.ts';

const none: ReadonlySet<string> = new Set();

/** What the labels of one service say of others. */
interface Entry {
  readonly labels: Labels;
  /** Every name that may be meant by a dependency, as the table of services folds them. */
  readonly awaited: readonly string[];
  /** Every name, folded, that may be meant by a service that its tasks never share a node with. */
  readonly repelled: readonly string[];
  /** All names on which the place of its tasks depends. */
  readonly mentioned: readonly string[];
  readonly priority: number | undefined;
}

/**
 * What the labels of services say of other services, turned around: who waits for whom, who keeps whom
 * away, and whose tasks give way to whose. A cache of the state, like the ledger.
 */
export class PolicyBook {
  readonly displacements = new Displacements();
  readonly #entries = new Map<string, Entry>();
  /** Folded name → ids of the services that wait for a service of that name. */
  readonly #dependents = new Map<string, Set<string>>();
  /** Folded name → ids of the services that keep away from it, come what may. */
  readonly #repellers = new Map<string, Set<string>>();
  /** Folded name → ids of the services that mention it. */
  readonly #mentioners = new Map<string, Set<string>>();
  #priorities = 0;
  #view: StateView | undefined;

  rebuild(view: StateView): void {
    this.#view = view;
    this.#entries.clear();
    this.#dependents.clear();
    this.#repellers.clear();
    this.#mentioners.clear();
    this.#priorities = 0;
    for (const service of view.services.values()) this.#enter(service);
    this.displacements.rebuild(view);
  }

  /** Takes the change in; gives the services whose waiting tasks it may concern. */
  apply(view: StateView, change: AppliedChange): Iterable<string> {
    this.#view = view;
    switch (change.table) {
      case 'task':
        this.displacements.apply(change.before, change.after);
        return this.#waitersFor(view, change.before, change.after);
      case 'service':
        return [...this.#applyService(view, change.before, change.after)];
      case 'cluster':
        return isSameToWaiters(change.before, change.after) ? none : waiting(view);
      default:
        return none;
    }
  }

  /** Whether no service says anything of others or of its own weight. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** The services, besides those that its own labels name, whose tasks it must not share a node with. */
  repellersOf(service: Service): ReadonlySet<string> {
    const view = this.#view;
    const ids = this.#repellers.get(service.name.toLowerCase());
    if (view === undefined || ids === undefined) return none;
    // A name may also mean a service that comes first, in the stack of the one that says it.
    const found = new Set<string>();
    for (const id of ids) {
      const labels = this.#entries.get(id)?.labels ?? {};
      const means = ({ name, hard }: { readonly name: string; readonly hard: boolean }): boolean =>
        hard && serviceByLabelName(view, labels, name)?.id === service.id;
      if (id !== service.id && affinityOf(labels).away.some(means)) found.add(id);
    }
    return found;
  }

  /** What the service's own label says, else the default. */
  priorityOf(serviceId: string): number {
    return this.#entries.get(serviceId)?.priority ?? 0;
  }

  /** Groups of higher priority first, and otherwise as they come. */
  inOrder<T extends { readonly serviceId: string }>(groups: Iterable<T>): Iterable<T> {
    if (this.#priorities === 0) return groups;
    return [...groups].sort((a, b) => this.priorityOf(b.serviceId) - this.priorityOf(a.serviceId));
  }

  /** Whether there may be tasks that give way to those of this priority. */
  mayDisplace(priority: number): boolean {
    if (this.#priorities === 0) return false;
    if (priority > 0) return true;
    for (const other of this.#entries.values())
      if (other.priority !== undefined && other.priority < priority) return true;
    return false;
  }

  #waitersFor(
    view: StateView,
    before: Task | undefined,
    after: Task | undefined,
  ): ReadonlySet<string> {
    if (this.#dependents.size === 0 || isSameToOthers(before, after)) return none;
    const { serviceId } = after ?? before ?? { serviceId: '' };
    const name = view.services.get(serviceId)?.name.toLowerCase();
    return (name === undefined ? undefined : this.#dependents.get(name)) ?? none;
  }

  *#applyService(
    view: StateView,
    before: Service | undefined,
    after: Service | undefined,
  ): Iterable<string> {
    const service = after ?? before;
    if (service === undefined) return;
    const { id } = service;
    const old = this.#entries.get(id);
    this.#leave(id, old);
    if (after !== undefined) this.#enter(after);
    const now = this.#entries.get(id);
    yield id;
    if (this.#isOtherInCircles(before, after, old, now))
      for (const one of waiting(view)) if (awaitedBy(this.#entries.get(one)) !== '') yield one;
    // Which service a name means may have changed with it.
    for (const { name } of [before, after].filter((one) => one !== undefined))
      yield* this.#mentioners.get(name.toLowerCase()) ?? none;
    for (const name of [...(old?.repelled ?? []), ...(now?.repelled ?? [])]) {
      const repelled = view.services.byName(name);
      if (repelled !== undefined) yield repelled.id;
    }
    // Whether its tasks may be made to give way depends on its spec besides.
    if (this.#priorities > 0 || old?.priority !== undefined) yield* waiting(view);
  }

  /** Whether a circle of services that wait for each other may be another: any service in it may have to open it. */
  #isOtherInCircles(
    before: Service | undefined,
    after: Service | undefined,
    old: Entry | undefined,
    now: Entry | undefined,
  ): boolean {
    if (awaitedBy(old) !== awaitedBy(now)) return true;
    if (before?.name === after?.name) return false;
    const names = [before, after].map((one) => one?.name.toLowerCase() ?? '');
    return names.some((name) => this.#dependents.has(name));
  }

  #enter(service: Service): void {
    const labels = this.#labelsOf(service);
    if (!hasPolicyLabel(labels)) return;
    const awaited = foldedNames(labels, dependenciesOf(labels).all);
    const hard = affinityOf(labels).away.filter(({ name, hard }) => hard && name !== itself);
    const repelled = foldedNames(labels, hard);
    const near = affinityOf(labels).near.filter(({ hard }) => hard);
    const mentioned = [...awaited, ...repelled, ...foldedNames(labels, near)];
    const priority = priorityOf(labels[placementLabels.priority]);
    if (mentioned.length === 0 && priority === undefined) return;
    this.#entries.set(service.id, { labels, awaited, repelled, mentioned, priority });
    if (priority !== undefined) this.#priorities += 1;
    for (const name of mentioned) put(this.#mentioners, name, service.id);
    for (const name of awaited) put(this.#dependents, name, service.id);
    for (const name of repelled) put(this.#repellers, name, service.id);
  }

  #leave(id: string, entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.#entries.delete(id);
    if (entry.priority !== undefined) this.#priorities -= 1;
    for (const name of entry.mentioned) take(this.#mentioners, name, id);
    for (const name of entry.awaited) take(this.#dependents, name, id);
    for (const name of entry.repelled) take(this.#repellers, name, id);
  }

  #labelsOf(service: Service): Labels {
    const view = this.#view;
    return (view === undefined ? undefined : currentOf(view, service)?.spec.Labels) ?? {};
  }
}

function awaitedBy(entry: Entry | undefined): string {
  return entry?.awaited.join(' ') ?? '';
}

/** Only what the task says of itself changed: its texts, its ports. */
function isSameToOthers(before: Task | undefined, after: Task | undefined): boolean {
  return (
    before !== undefined &&
    after !== undefined &&
    before.status.state === after.status.state &&
    before.status.container === after.status.container &&
    before.desired === after.desired
  );
}

/** Whether any label of the `shoal.` family is among them. */
export function hasPolicyLabel(labels: Labels | undefined): boolean {
  for (const name in labels) if (name.startsWith('shoal.')) return true;
  return false;
}

/** What the cluster says to tasks that wait: labels, and the log driver they need. */
function isSameToWaiters(before: Cluster | undefined, after: Cluster | undefined): boolean {
  return (
    before?.spec.Labels === after?.spec.Labels &&
    before?.spec.TaskDefaults === after?.spec.TaskDefaults
  );
}

function* waiting(view: StateView): Iterable<string> {
  const ids = new Set<string>();
  for (const { serviceId } of view.tasks.byState('pending')) ids.add(serviceId);
  yield* ids;
}

function foldedNames(
  labels: Labels,
  named: readonly { readonly name: string }[],
): readonly string[] {
  return named.flatMap(({ name }) => namesMeant(labels, name)).map((name) => name.toLowerCase());
}

function put(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids === undefined) index.set(key, new Set([id]));
  else ids.add(id);
}

function take(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}
