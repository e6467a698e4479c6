import { newId } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import {
  type Change,
  jobStatusAfter,
  type Node,
  newMeta,
  type Revision,
  revisionId,
  type Service,
  type ServiceSpec,
  type Transaction,
} from '@shoal/state';
import type { SimulatedProcess } from '../process.ts';

/** What a user was told is so, by service name; undefined after an acknowledged removal. */
export type Acknowledged = Map<
  string,
  { readonly id: string; readonly spec: ServiceSpec } | undefined
>;

export interface UserCounts {
  updates: number;
  rollbacks: number;
}

/** Users at the API: what they ask for is written as the API writes it, and they remember what was acknowledged. */
export class FakeUser {
  readonly #process: SimulatedProcess;
  readonly #replica: Replica;
  readonly acknowledged: Acknowledged = new Map();
  /** Names whose last request got no certain answer: either outcome is right. */
  readonly uncertain = new Set<string>();
  readonly counts: UserCounts = { updates: 0, rollbacks: 0 };

  constructor(process: SimulatedProcess, replica: Replica) {
    this.#process = process;
    this.#replica = replica;
  }

  serviceOf(name: string): Service | undefined {
    return this.#replica.view.services.byName(name);
  }

  specOf({ id, revision }: Service): ServiceSpec | undefined {
    return this.#replica.view.revisions.of(id, revision)?.spec;
  }

  async create(name: string, spec: ServiceSpec): Promise<void> {
    const id = newId(this.#process.random);
    const service: Service = {
      id,
      meta: newMeta,
      name,
      revision: 1,
      endpoint: { revision: 0, ports: [], virtualIps: [] },
      jobStatus: jobStatusAfter(
        undefined,
        undefined,
        { number: 1, spec },
        this.#process.clock.now(),
      ),
    };
    await this.#propose(name, { id, spec }, [
      { op: 'create', table: 'service', object: service },
      { op: 'create', table: 'revision', object: revisionOf(id, 1, spec) },
    ]);
  }

  async update(service: Service, spec: ServiceSpec): Promise<void> {
    let number = 0;
    for (const revision of this.#replica.view.revisions.byService(service.id))
      number = Math.max(number, revision.number);
    number += 1;
    const next: Service = {
      ...service,
      revision: number,
      previousRevision: service.revision,
      updateStatus: undefined,
      jobStatus: jobStatusAfter(
        service.jobStatus,
        this.specOf(service) ?? spec,
        { number, spec },
        this.#process.clock.now(),
      ),
    };
    const done = await this.#propose(service.name, { id: service.id, spec }, [
      { op: 'create', table: 'revision', object: revisionOf(service.id, number, spec) },
      { op: 'update', table: 'service', object: next },
    ]);
    if (done) this.counts.updates += 1;
  }

  /** `docker service rollback`. */
  async rollBack(service: Service): Promise<void> {
    const { id, previousRevision: to } = service;
    const target = to === undefined ? undefined : this.#replica.view.revisions.of(id, to);
    if (to === undefined || target === undefined) return;
    const now = this.#process.clock.now();
    const next: Service = {
      ...service,
      jobStatus: jobStatusAfter(service.jobStatus, undefined, target, now),
      revision: to,
      previousRevision: service.revision,
      updateStatus: {
        state: 'rollback_started',
        startedAt: now,
        since: service.meta.updatedAt,
        message: 'manually requested rollback',
      },
    };
    const { spec } = target;
    const done = await this.#propose(service.name, { id, spec }, [
      { op: 'update', table: 'service', object: next },
    ]);
    if (done) this.counts.rollbacks += 1;
  }

  async remove({ id, meta, name }: Service): Promise<void> {
    await this.#propose(name, undefined, [
      { op: 'delete', table: 'service', id, version: meta.version },
    ]);
  }

  /** @returns the new node's id once it is certain that it joined. */
  async join(id: string, labels: Node['spec']['Labels']): Promise<boolean> {
    const node: Node = {
      id,
      meta: newMeta,
      spec: { Labels: labels, Role: 'worker', Availability: 'active' },
      role: 'worker',
      status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
    };
    return (await this.#write([{ op: 'create', table: 'node', object: node }])) === 'committed';
  }

  async changeNode(id: string, change: Partial<Node['spec']>): Promise<void> {
    const node = this.#replica.view.nodes.get(id);
    if (node === undefined) return;
    const object: Node = { ...node, spec: { ...node.spec, ...change } };
    await this.#write([{ op: 'update', table: 'node', object }]);
  }

  /** `docker node rm --force`: its tasks end and it is gone, in one transaction. */
  async removeNode(id: string): Promise<boolean> {
    const { view } = this.#replica;
    const node = view.nodes.get(id);
    if (node === undefined) return false;
    const changes: Change[] = [];
    const at = this.#process.clock.now();
    for (const task of view.tasks.byNode(id)) {
      if (endStates.has(task.status.state)) continue;
      const message = 'Task belonged to a node that has been deleted';
      const status = { ...task.status, state: 'orphaned', at, message } as const;
      changes.push({ op: 'update', table: 'task', object: { ...task, status } });
    }
    changes.push({ op: 'delete', table: 'node', id, version: node.meta.version });
    return (await this.#write(changes)) === 'committed';
  }

  async #propose(
    name: string,
    wanted: { readonly id: string; readonly spec: ServiceSpec } | undefined,
    changes: readonly Change[],
  ): Promise<boolean> {
    const before = this.uncertain.has(name);
    this.uncertain.add(name);
    const result = await this.#write(changes);
    if (result === 'unknown') return false;
    if (result === 'committed') {
      this.acknowledged.set(name, wanted);
      this.uncertain.delete(name);
    } else if (!before) this.uncertain.delete(name);
    return result === 'committed';
  }

  async #write(changes: readonly Change[]): Promise<'committed' | 'refused' | 'unknown'> {
    const transaction: Transaction = {
      id: newId(this.#process.random),
      actor: { kind: 'user', name: 'fake' },
      reason: 'a user asked',
      decidedAt: this.#replica.view.index,
      changes,
    };
    const result = await this.#replica.propose([transaction]);
    if (result.kind === 'failed') return result.code === 'unknown-outcome' ? 'unknown' : 'refused';
    return result.outcomes[0]?.kind === 'committed' ? 'committed' : 'refused';
  }
}

const endStates: ReadonlySet<string> = new Set([
  'complete',
  'shutdown',
  'failed',
  'rejected',
  'remove',
  'orphaned',
]);

function revisionOf(serviceId: string, number: number, spec: ServiceSpec): Revision {
  return { id: revisionId(serviceId, number), meta: newMeta, serviceId, number, spec };
}
