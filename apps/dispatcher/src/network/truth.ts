import { isDeepStrictEqual } from 'node:util';
import { impliedRecords, isEncrypted, servedDigest, vtepOf } from '@shoal/overlay';
import type { Clock, Monotonic } from '@shoal/runtime';
import {
  type AppliedChange,
  isBefore,
  isTerminal,
  type Node,
  type StateView,
  type Task,
} from '@shoal/state';
import { compareMsMax } from './limits.ts';

/** What the log implies of one network. */
export interface Implied {
  readonly names: string;
  readonly balancer: string;
  readonly peers: string;
  /** EndpointRecord as JSON, ready to be sent. */
  readonly records: readonly Buffer[];
  readonly changedAt: Monotonic;
}

interface Known {
  readonly implied: Implied;
  readonly workedOutAt: Monotonic;
  /** The network has changed since. */
  isOld: boolean;
}

/** What the log implies of each network, worked out when somebody asks and kept until it changes. */
export class NetworkTruth {
  readonly #view: () => StateView;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  /** When a network last changed. */
  readonly #changed = new Map<string, Monotonic>();

  constructor(view: () => StateView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  of(networkId: string): Implied {
    const known = this.#known.get(networkId);
    if (known !== undefined && !known.isOld) return known.implied;
    const records = impliedRecords(this.#view(), networkId);
    const now = this.#clock.monotonic();
    const implied: Implied = {
      names: servedDigest(records, 'names'),
      balancer: servedDigest(records, 'balancer'),
      peers: servedDigest(records, 'peers'),
      records: records.map((record) => Buffer.from(JSON.stringify(record))),
      changedAt: this.#changed.get(networkId) ?? now,
    };
    this.#known.set(networkId, { implied, workedOutAt: now, isOld: false });
    return implied;
  }

  /** What the log implied lately: a large network is not worked out anew at every change. */
  lately(networkId: string): Implied {
    const known = this.#known.get(networkId);
    if (known === undefined) return this.of(networkId);
    const age = this.#clock.monotonic() - known.workedOutAt;
    return known.isOld && age >= compareMsMax ? this.of(networkId) : known.implied;
  }

  changed(networkId: string): void {
    const known = this.#known.get(networkId);
    if (known !== undefined) known.isOld = true;
    if (this.#view().networks.get(networkId) === undefined) {
      this.#known.delete(networkId);
      this.#changed.delete(networkId);
    } else this.#changed.set(networkId, this.#clock.monotonic());
  }

  reset(): void {
    this.#known.clear();
    this.#changed.clear();
  }
}

/** What of the networks a change may concern. */
export interface Concerned {
  /** Networks whose records may be others. */
  readonly networks: ReadonlySet<string>;
  /** Nodes whose list of networks may be another. */
  readonly nodes: ReadonlySet<string> | 'all';
  /** Tasks whose own records may be others. */
  readonly tasks: Iterable<string>;
}

const nothing: Concerned = { networks: new Set(), nodes: new Set(), tasks: [] };

export function concernedBy(change: AppliedChange, view: StateView): Concerned {
  switch (change.table) {
    case 'task':
      return byTask(change.before, change.after);
    case 'service':
      return byService(change.id, view);
    case 'attachment': {
      const given = [change.before, change.after].filter((each) => each !== undefined);
      return {
        networks: new Set(given.map(({ networkId }) => networkId)),
        nodes: new Set(
          given.flatMap(({ networkId, nodeId }) => [nodeId, ...encryptedWith(networkId, view)]),
        ),
        tasks: [],
      };
    }
    case 'network':
      return { networks: new Set([change.id]), nodes: 'all', tasks: [] };
    case 'cluster':
      return change.before?.dataPathPort === change.after?.dataPathPort
        ? nothing
        : { ...nothing, nodes: 'all' };
    case 'node':
      return byNode(change.before, change.after, view);
    default:
      return nothing;
  }
}

function byTask(before: Task | undefined, after: Task | undefined): Concerned {
  const networks = new Set<string>();
  for (const task of [before, after]) {
    for (const { networkId } of task?.networks ?? []) networks.add(networkId);
  }
  // Most reports move a task on without anything that others see of it.
  if (networks.size === 0 || recordTraits(before) === recordTraits(after)) return nothing;
  const moved = placeTraits(before) !== placeTraits(after);
  const nodes = new Set(moved ? [before?.nodeId ?? '', after?.nodeId ?? ''] : []);
  return { networks, nodes, tasks: [] };
}

/** What of a task its node's networks depend on. */
function placeTraits(task: Task | undefined): string {
  if (task === undefined || isTerminal(task.status.state)) return '';
  return JSON.stringify([task.nodeId, task.networks]);
}

/** What of a task its records depend on. */
function recordTraits(task: Task | undefined): string {
  if (task === undefined) return '';
  const { status, desired } = task;
  const stands = isBefore(status.state, 'starting') ? 'before' : status.state;
  const stops = !isBefore(desired, 'shutdown');
  return JSON.stringify([placeTraits(task), stands, status.err === '', stops, task.revision]);
}

/** Its addresses, ports or present revision: all of its tasks' records have them. */
function byService(serviceId: string, view: StateView): Concerned {
  const networks = new Set<string>();
  const tasks: string[] = [];
  for (const task of view.tasks.byService(serviceId)) {
    if (task.networks === undefined) continue;
    for (const { networkId } of task.networks) networks.add(networkId);
    tasks.push(task.id);
  }
  return { networks, nodes: new Set(), tasks };
}

/** Its address, its key or that it is down concerns everybody who is there. */
function byNode(before: Node | undefined, after: Node | undefined, view: StateView): Concerned {
  const id = after?.id ?? before?.id;
  const key = after?.description?.Encryption;
  const sameKey = isDeepStrictEqual(before?.description?.Encryption, key);
  const same =
    sameKey &&
    vtepOf(before) === vtepOf(after) &&
    (before?.status.state === 'down') === (after?.status.state === 'down') &&
    (before === undefined) === (after === undefined);
  if (same || id === undefined) return nothing;
  const networks = new Set<string>();
  const nodes = new Set<string>();
  const tasks: string[] = [];
  for (const task of view.tasks.byNode(id)) {
    if (task.networks === undefined) continue;
    for (const { networkId } of task.networks) networks.add(networkId);
    tasks.push(task.id);
  }
  for (const { networkId } of view.attachments.byNode(id)) {
    networks.add(networkId);
    for (const each of encryptedWith(networkId, view)) nodes.add(each);
  }
  return { networks, nodes, tasks };
}

/** The nodes of an encrypted network know each other's keys; none of another. */
function encryptedWith(networkId: string, view: StateView): readonly string[] {
  const network = view.networks.get(networkId);
  if (network === undefined || !isEncrypted(network)) return [];
  return Array.from(view.attachments.byNetwork(networkId), ({ nodeId }) => nodeId);
}
