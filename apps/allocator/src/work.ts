import type { ChangeSet } from '@shoal/stage';
import {
  type AppliedChange,
  attachmentsOf,
  heldAddresses,
  ingressPortsOf,
  isBefore,
  type Network,
  type PortConfig,
  portKey,
  type Service,
  type StateObject,
  type StateView,
  type Task,
} from '@shoal/state';
import { ingressKey, networkKey, portWaitKey, subnetsKey } from './obstacle.ts';
import type { Waiter, Waits } from './waits.ts';

/** A node and a network that it may need a balancer in. */
export interface Pair {
  readonly networkId: string;
  readonly nodeId: string;
}

/** What one step looks at. */
export class Work {
  readonly networks = new Set<string>();
  /** Service id → its new tasks; services whose endpoint may need work are there without tasks too. */
  readonly services = new Map<string, Set<Task>>();
  readonly attachments = new Set<string>();
  /** Networks in which somebody got an address or gave one back. */
  readonly used = new Set<string>();
  readonly #pairs = new Map<string, Pair>();
  readonly #view: StateView;
  readonly #waits: Waits;
  /** Services that waited for something that changed. */
  readonly #woken = new Set<string>();

  constructor(view: StateView, changed: ChangeSet, waits: Waits) {
    this.#view = view;
    this.#waits = waits;
    if (changed.everything) this.#everything();
    for (const key of changed.due) this.#due(key);
    for (const change of changed.changes) this.#changed(change);
    this.#newTasksOf(this.#woken);
  }

  get pairs(): Iterable<Pair> {
    return this.#pairs.values();
  }

  #everything(): void {
    const view = this.#view;
    this.#waits.clear();
    for (const { id } of view.networks.values()) {
      this.networks.add(id);
      this.used.add(id);
    }
    for (const { id } of view.services.values()) this.#service(id);
    for (const task of view.tasks.byState('new')) if (isOurs(task)) this.#task(task);
    for (const { id } of view.attachments.values()) this.attachments.add(id);
    for (const { id } of view.networks.values())
      for (const task of view.tasks.byNetwork(id)) this.#pair(id, task.nodeId);
    this.#everyNode(view.networks.ingress);
  }

  /** A key of one of our decisions. */
  #due(key: string): void {
    if (this.#view.services.get(key) !== undefined) this.#allOf(key);
    if (this.#view.networks.get(key) !== undefined) this.networks.add(key);
    if (this.#view.attachments.get(key) !== undefined) this.attachments.add(key);
    const [networkId = '', nodeId = ''] = key.split('.');
    if (nodeId !== '') this.#pair(networkId, nodeId);
  }

  #changed(change: AppliedChange): void {
    if (change.table === 'network') this.#networkChanged(change);
    if (change.table === 'service') this.#serviceChanged(change);
    if (change.table === 'task') this.#taskChanged(change);
    if (change.table === 'attachment') this.#attachmentChanged(change);
    if (change.table === 'node') this.#nodeChanged(change);
    if (change.table === 'cluster') this.#wake(this.#waits.take(subnetsKey));
  }

  #attachmentChanged(change: AppliedChange & { table: 'attachment' }): void {
    const { id, before, after } = change;
    this.#freed(change);
    this.attachments.add(id);
    for (const one of [before, after]) if (one !== undefined) this.#pair(one.networkId, one.nodeId);
  }

  #networkChanged({ id, before, after }: AppliedChange & { table: 'network' }): void {
    this.networks.add(id);
    this.#wake(this.#waits.take(networkKey(id)));
    if ((after ?? before)?.spec.Ingress === true) this.#wake(this.#waits.take(ingressKey));
    if (after === undefined) this.#wake(this.#waits.take(subnetsKey));
    for (const attachment of this.#view.attachments.byNetwork(id))
      this.attachments.add(attachment.id);
    if (after !== undefined && before?.allocation !== after.allocation) this.#everyNode(after);
  }

  #serviceChanged(change: AppliedChange & { table: 'service' }): void {
    const { id, before, after } = change;
    if (before?.revision !== after?.revision || before?.endpoint !== after?.endpoint)
      this.#allOf(id);
    this.#freed(change);
    if (before?.endpoint.ports === after?.endpoint.ports) return;
    const kept = new Set(after?.endpoint.ports.map(placeKey));
    for (const port of before?.endpoint.ports ?? []) {
      if (kept.has(placeKey(port))) continue;
      this.#wake(this.#waits.take(portWaitKey(portKey(port.Protocol, port.PublishedPort ?? 0))));
      this.#wake(this.#waits.take(portWaitKey(port.Protocol)));
    }
  }

  #taskChanged(change: AppliedChange & { table: 'task' }): void {
    const { before, after } = change;
    this.#freed(change);
    const task = this.#view.tasks.get(change.id);
    if (task !== undefined && isOurs(task) && (before === undefined || isCalledOff(task)))
      this.#task(task);
    if (before !== undefined && after !== undefined && samePlace(before, after)) return;
    // Perhaps the last one in a network that its service has left, whose virtual address goes with it.
    if (before !== undefined && (after === undefined || attachmentsOf(after).length === 0))
      this.#service(before.serviceId);
    for (const one of [before, after])
      if (one !== undefined)
        for (const { networkId } of attachmentsOf(one)) this.#pair(networkId, one.nodeId);
  }

  #nodeChanged({ id, before, after }: AppliedChange & { table: 'node' }): void {
    if (before !== undefined && after !== undefined) return;
    const { ingress } = this.#view.networks;
    if (ingress !== undefined) this.#pair(ingress.id, id);
    if (after !== undefined) return;
    for (const attachment of this.#view.attachments.byNode(id)) this.attachments.add(attachment.id);
    // Less is kept back for balancers now.
    this.#wake(this.#waits.takeAll(networkKey('')));
  }

  /** Wakes those who wait for an address that the change set free. */
  #freed({ table, before, after }: AppliedChange): void {
    const had = before === undefined ? [] : heldAddresses(table, before as StateObject);
    const has = after === undefined ? [] : heldAddresses(table, after as StateObject);
    for (const { networkId, address } of had)
      if (!has.some((one) => one.networkId === networkId && one.address === address)) {
        this.#wake(this.#waits.take(networkKey(networkId)));
        this.used.add(networkId);
      }
    if (had.length < has.length) for (const { networkId } of has) this.used.add(networkId);
  }

  #wake(waiters: Iterable<Waiter>): void {
    for (const { kind, id } of waiters)
      if (kind === 'service') this.#woken.add(id);
      else if (kind === 'network') this.networks.add(id);
      else this.attachments.add(id);
  }

  #newTasksOf(services: ReadonlySet<string>): void {
    if (services.size === 0) return;
    for (const id of services) this.#service(id);
    for (const task of this.#view.tasks.byState('new'))
      if (services.has(task.serviceId) && isOurs(task)) this.#task(task);
  }

  #everyNode(network: Network | undefined): void {
    if (network?.spec.Ingress !== true) return;
    for (const { id } of this.#view.nodes.values()) this.#pair(network.id, id);
  }

  #pair(networkId: string, nodeId: string): void {
    if (nodeId !== '') this.#pairs.set(`${networkId}.${nodeId}`, { networkId, nodeId });
  }

  #allOf(serviceId: string): void {
    this.#service(serviceId);
    for (const task of this.#view.tasks.byService(serviceId)) if (isOurs(task)) this.#task(task);
  }

  #service(serviceId: string): Set<Task> {
    let tasks = this.services.get(serviceId);
    if (tasks === undefined) {
      tasks = new Set();
      this.services.set(serviceId, tasks);
    }
    return tasks;
  }

  #task(task: Task): void {
    this.#service(task.serviceId).add(task);
  }
}

function placeKey({ PublishMode, Protocol, PublishedPort = 0 }: PortConfig): string {
  return `${PublishMode} ${portKey(Protocol, PublishedPort)}`;
}

function samePlace(before: Task, after: Task): boolean {
  const had = attachmentsOf(before);
  const has = attachmentsOf(after);
  return before.nodeId === after.nodeId && had.length === has.length;
}

/** A new task that is to go on, or to end here. Those that are to be removed the orchestrator deletes. */
function isOurs(task: Task): boolean {
  return task.status.state === 'new' && (!isBefore('complete', task.desired) || isCalledOff(task));
}

export function isCalledOff({ status, desired }: Task): boolean {
  return status.state === 'new' && desired === 'shutdown';
}

/** True when everything that the service's answers need is its own: no addresses, no ports of all. */
export function isOnItsOwn(view: StateView, service: Service): boolean {
  if (service.endpoint.virtualIps.length > 0 || ingressPortsOf(service).length > 0) return false;
  for (const { spec } of view.revisions.byService(service.id)) {
    if ((spec.TaskTemplate.Networks ?? []).length > 0) return false;
    if (spec.EndpointSpec?.Ports?.some(({ PublishMode }) => PublishMode === 'ingress'))
      return false;
  }
  return true;
}
