import type { Instant } from '@shoal/runtime';
import type { Decision, Stage } from '@shoal/stage';
import {
  type Change,
  hasAddresses,
  type Network,
  type Service,
  type StateView,
  type Task,
} from '@shoal/state';
import { Addresses, Cursors } from './addresses.ts';
import { type AttachmentAnswer, settleBalancer, settleContainer } from './attachments.ts';
import { allocateEndpoint, isEndpointAllocated, prunedEndpoint, withEndpoint } from './endpoint.ts';
import { HostPorts } from './host-ports.ts';
import { type Blocked, subnetsKey } from './obstacle.ts';
import { Pools } from './pools.ts';
import { type PortCursors, Ports } from './ports.ts';
import { Resting } from './resting.ts';
import { advance } from './tasks.ts';
import { type Filling, FillingWatch } from './usage.ts';
import { type Waiter, Waits } from './waits.ts';
import { isOnItsOwn, Work } from './work.ts';

/** Tasks written in one transaction. */
const tasksPerTransaction = 100;
/**
 * All that shares addresses, subnets and ports is decided by the one replica that owns this key, so that
 * replicas do not give the same ones. What needs none of these is shared out by service.
 */
export const sharedKey = 'addresses';

/**
 * Gives networks their subnets, services their virtual addresses and published ports, nodes and containers
 * their addresses, and new tasks theirs; with them a task goes on to the scheduler. Until then it says what
 * it waits for. Decisions are keyed by service, network or attachment.
 */
export function createAllocator({ onFilling }: AllocatorOptions = {}): Stage {
  const caches: Caches = {
    cursors: new Cursors(),
    ports: new Map(),
    hostPorts: new HostPorts(),
    waits: new Waits(),
    resting: new Resting(),
    filling: new FillingWatch(onFilling ?? (() => undefined)),
  };
  return {
    name: 'allocator',
    *step(view, changed, now, mine) {
      caches.hostPorts.take(view, changed);
      const work = new Work(view, changed, caches.waits);
      for (const change of changed.changes)
        if (change.table === 'network' && change.after === undefined) {
          caches.cursors.forget(change.id);
          if (change.before !== undefined) caches.resting.deleted(change.before, now);
        }
      for (const id of work.used) caches.filling.look(view, id);
      yield* new Step(view, now, mine, caches).decide(work);
    },
  };
}

export interface AllocatorOptions {
  /** Told once when a network has few addresses left. */
  readonly onFilling?: ((filling: Filling) => void) | undefined;
}

/** What an allocator remembers. Lost with the process, and never decisive for who gets something. */
interface Caches {
  readonly cursors: Cursors;
  readonly ports: PortCursors;
  readonly hostPorts: HostPorts;
  readonly waits: Waits;
  readonly resting: Resting;
  readonly filling: FillingWatch;
}

/** One step: what it gives is taken for the rest of it, though the state does not know yet. */
class Step {
  readonly #view: StateView;
  readonly #now: Instant;
  readonly #mine: (key: string) => boolean;
  readonly #waits: Waits;
  readonly #resting: Resting;
  readonly #addresses: Addresses;
  readonly #ports: Ports;

  constructor(view: StateView, now: Instant, mine: (key: string) => boolean, caches: Caches) {
    this.#view = view;
    this.#now = now;
    this.#mine = mine;
    this.#waits = caches.waits;
    this.#resting = caches.resting;
    this.#addresses = new Addresses(view, caches.cursors);
    this.#ports = new Ports(view, caches.ports, caches.hostPorts);
  }

  *decide(work: Work): Iterable<Decision> {
    const owner = this.#mine(sharedKey);
    if (owner) yield* this.#networks(work.networks);
    if (owner) yield* this.#attachments(work);
    for (const [serviceId, tasks] of work.services) {
      const service = this.#view.services.get(serviceId);
      if (service === undefined) continue;
      if (isOnItsOwn(this.#view, service) ? this.#mine(serviceId) : owner)
        yield* this.#service(service, tasks);
    }
  }

  *#networks(ids: ReadonlySet<string>): Iterable<Decision> {
    let pools: Pools | undefined;
    for (const id of ids) {
      const network = this.#view.networks.get(id);
      if (network === undefined || network.allocation !== undefined || !hasAddresses(network))
        continue;
      pools ??= new Pools(this.#view, this.#resting.at(this.#now));
      const change = this.#network(pools, network);
      if (change !== undefined) yield transaction(id, 'subnets allocated', [change]);
    }
  }

  #network(pools: Pools, network: Network): Change | undefined {
    const { problem, ...rest } = network;
    const answer = pools.allocate(network);
    if (answer.kind === 'allocated') {
      const allocation = { subnets: answer.subnets, at: this.#now };
      return { op: 'update', table: 'network', object: { ...rest, allocation } };
    }
    this.#waits.add(subnetsKey, { kind: 'network', id: network.id });
    if (problem === answer.message) return undefined;
    return { op: 'update', table: 'network', object: { ...rest, problem: answer.message } };
  }

  /** Before the tasks: a node must get its balancer where there are few addresses. */
  *#attachments(work: Work): Iterable<Decision> {
    const pairs = [...work.pairs];
    for (const id of work.attachments) {
      const attachment = this.#view.attachments.get(id);
      if (attachment === undefined) continue;
      if (attachment.kind === 'node') pairs.push(attachment);
      else yield* this.#attached(id, settleContainer(this.#view, attachment, this.#addresses));
    }
    const seen = new Set<string>();
    for (const pair of pairs) {
      const id = `${pair.networkId}.${pair.nodeId}`;
      if (seen.has(id)) continue;
      seen.add(id);
      yield* this.#attached(id, settleBalancer(this.#view, pair, this.#addresses));
    }
  }

  *#attached(id: string, { change, waitsFor }: AttachmentAnswer): Iterable<Decision> {
    this.#wait(waitsFor ?? [], { kind: 'attachment', id });
    if (change === undefined) return;
    const reason = change.op === 'delete' ? 'address not needed any more' : 'address allocated';
    yield transaction(id, reason, [change]);
  }

  *#service(service: Service, tasks: ReadonlySet<Task>): Iterable<Decision> {
    const { id } = service;
    const waiter: Waiter = { kind: 'service', id };
    let block: Blocked | undefined;
    const revision = this.#view.revisions.of(id, service.revision);
    if (revision === undefined) return;
    if (isEndpointAllocated(service)) {
      const endpoint = prunedEndpoint(this.#view, service, revision);
      if (endpoint !== undefined)
        yield transaction(id, 'address not needed any more', [withEndpoint(service, endpoint)]);
    } else {
      const answer = allocateEndpoint(this.#view, service, revision, this.#addresses, this.#ports);
      if (answer.kind === 'allocated') {
        yield transaction(id, 'endpoint allocated', [withEndpoint(service, answer.endpoint)]);
        return;
      }
      block = answer;
      this.#wait(
        block.obstacles.map((one) => one.waitsFor),
        waiter,
      );
    }
    const changes: Change[] = [];
    for (const task of tasks) {
      const advanced = advance(this.#view, task, block, this.#addresses, this.#now);
      if (advanced.change !== undefined) changes.push(advanced.change);
      this.#wait(advanced.waitsFor, waiter);
    }
    for (let from = 0; from < changes.length; from += tasksPerTransaction)
      yield transaction(
        id,
        'pending task scheduling',
        changes.slice(from, from + tasksPerTransaction),
      );
  }

  #wait(waitsFor: readonly string[], waiter: Waiter): void {
    for (const one of waitsFor) this.#waits.add(one, waiter);
  }
}

function transaction(key: string, reason: string, changes: readonly Change[]): Decision {
  return { kind: 'transaction', key, reason, changes };
}
