import { type LogIndex, newId } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import {
  type Change,
  type Meta,
  type Revision,
  revisionId,
  type Service,
  type ServiceSpec,
  type Transaction,
} from '@shoal/state';
import type { SimulatedProcess } from './process.ts';

/** What a user was told is so, by service name; undefined after an acknowledged removal. */
export type Acknowledged = Map<
  string,
  { readonly id: string; readonly spec: ServiceSpec } | undefined
>;

const noMeta: Meta = {
  version: 0 as LogIndex,
  createdAt: 0 as Meta['createdAt'],
  updatedAt: 0 as Meta['updatedAt'],
};
const replicasMax = 6;
const names = ['alpha', 'bravo', 'charlie', 'delta', 'echo'];

/** Users at the API: they create, scale, update and remove, and remember what was acknowledged. */
export class FakeUser {
  readonly #process: SimulatedProcess;
  readonly #replica: Replica;
  readonly acknowledged: Acknowledged = new Map();
  /** Names whose last request got no certain answer: either outcome is right. */
  readonly uncertain = new Set<string>();

  constructor(process: SimulatedProcess, replica: Replica) {
    this.#process = process;
    this.#replica = replica;
  }

  /** One random request. */
  async act(): Promise<void> {
    const { random } = this.#process;
    const name = random.pick(names) ?? 'alpha';
    const service = this.#replica.view.services.byName(name);
    if (service === undefined) return this.#create(name);
    if (random.chance(0.2)) return this.#remove(service);
    const revision = this.#replica.view.revisions.of(service.id, service.revision);
    if (revision === undefined) return;
    const scaled = this.#specOf(name, revision.spec);
    const { TaskTemplate } = scaled;
    const updated = {
      ...scaled,
      TaskTemplate: { ...TaskTemplate, ForceUpdate: TaskTemplate.ForceUpdate + 1 },
    };
    await this.#update(service, random.chance(0.5) ? scaled : updated);
  }

  #create(name: string): Promise<void> {
    const id = newId(this.#process.random);
    const spec = this.#specOf(name);
    const endpoint = { revision: 0, ports: [], virtualIps: [] };
    const service: Service = { id, meta: noMeta, name, revision: 1, endpoint };
    return this.#propose(name, { id, spec }, [
      { op: 'create', table: 'service', object: service },
      { op: 'create', table: 'revision', object: this.#revision(id, 1, spec) },
    ]);
  }

  #update(service: Service, spec: ServiceSpec): Promise<void> {
    let number = service.revision;
    for (const revision of this.#replica.view.revisions.byService(service.id))
      number = Math.max(number, revision.number);
    const { updateStatus: _, ...rest } = service;
    const next = { ...rest, revision: number + 1, previousRevision: service.revision };
    return this.#propose(service.name, { id: service.id, spec }, [
      { op: 'create', table: 'revision', object: this.#revision(service.id, number + 1, spec) },
      { op: 'update', table: 'service', object: next },
    ]);
  }

  #remove(service: Service): Promise<void> {
    const { id, meta, name } = service;
    return this.#propose(name, undefined, [
      { op: 'delete', table: 'service', id, version: meta.version },
    ]);
  }

  async #propose(
    name: string,
    wanted: { readonly id: string; readonly spec: ServiceSpec } | undefined,
    changes: readonly Change[],
  ): Promise<void> {
    const transaction: Transaction = {
      id: newId(this.#process.random),
      actor: { kind: 'user', name: 'fake' },
      reason: 'a user asked',
      decidedAt: this.#replica.view.index,
      changes,
    };
    const before = this.uncertain.has(name);
    this.uncertain.add(name);
    const result = await this.#replica.propose([transaction]);
    if (result.kind === 'failed' && result.code === 'unknown-outcome') return;
    if (result.kind === 'applied' && result.outcomes[0]?.kind === 'committed') {
      this.acknowledged.set(name, wanted);
      this.uncertain.delete(name);
    } else if (!before) this.uncertain.delete(name);
  }

  #revision(serviceId: string, number: number, spec: ServiceSpec): Revision {
    return { id: revisionId(serviceId, number), meta: noMeta, serviceId, number, spec };
  }

  #specOf(name: string, before?: ServiceSpec): ServiceSpec {
    const { random } = this.#process;
    return {
      Name: name,
      Labels: {},
      TaskTemplate: before?.TaskTemplate ?? {
        ContainerSpec: { Image: 'fake' },
        RestartPolicy: { Condition: 'any', Delay: 500_000_000 },
        Resources: { Reservations: { MemoryBytes: random.between(1, 9) * 2 ** 20 } },
        ForceUpdate: 0,
      },
      UpdateConfig: {
        Parallelism: random.between(0, 3),
        Monitor: 1_000_000_000,
        FailureAction: 'continue',
        Order: random.chance(0.3) ? 'start-first' : 'stop-first',
      },
      Mode: { Replicated: { Replicas: random.between(0, replicasMax + 1) } },
    };
  }
}
