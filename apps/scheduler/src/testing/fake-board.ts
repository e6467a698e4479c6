import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import type { Stage } from '@shoal/stage';
import {
  type AppliedChange,
  type Change,
  type Cluster,
  type ClusterSpec,
  type Network,
  type Node,
  newMeta,
  type Refusal,
  revisionId,
  type ServiceSpec,
  State,
  type StateView,
  type Task,
  type TaskTemplate,
} from '@shoal/state';
import { createScheduler } from '../scheduler.ts';

const roundsMax = 200;

const aCluster: Cluster = {
  id: 'cluster',
  meta: newMeta,
  spec: {
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 5 },
    Raft: {
      SnapshotInterval: 10_000,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 500,
      ElectionTick: 10,
      HeartbeatTick: 1,
    },
    Dispatcher: { HeartbeatPeriod: 5e9 },
    CAConfig: { NodeCertExpiry: 90 * 86_400e9 },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  },
  rootCa: { certificate: '' },
  joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
  defaultAddressPool: [],
  subnetSize: 24,
  dataPathPort: 4789,
};

export interface NodeParts {
  readonly labels?: Record<string, string>;
  readonly engineLabels?: Record<string, string>;
  readonly cpus?: number;
  readonly memory?: number;
  readonly change?: Partial<Node>;
}

export function aNode(id: string, parts: NodeParts = {}): Node {
  return {
    id,
    meta: newMeta,
    spec: { Labels: parts.labels ?? {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: id,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: (parts.cpus ?? 8) * 1e9, MemoryBytes: parts.memory ?? 16e9 },
      Engine: { EngineVersion: '28.2.2', Plugins: [], Labels: parts.engineLabels },
    },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
    ...parts.change,
  };
}

/** A state with nodes and tasks on which one scheduler works; everything else is written by the test. */
export class FakeBoard {
  readonly state = new State();
  /** What the scheduler is shown of the state. */
  seen: StateView = this.state.view;
  readonly refusals: Refusal[] = [];
  /** What happens between a decision of the scheduler and its commit, once. */
  meanwhile: (() => void) | undefined;
  now = 1_700_000_000_000 as Instant;
  #stage: Stage = createScheduler();
  #everything = true;
  #changes: AppliedChange[] = [];
  #due = new Set<string>();
  readonly #wakes = new Map<string, Instant>();
  #transactions = 0;
  #tasks = 0;

  node(id: string, parts: NodeParts = {}): void {
    this.write([{ op: 'create', table: 'node', object: aNode(id, parts) }]);
  }

  changeNode(id: string, change: (node: Node) => Partial<Node>): void {
    const node = this.state.view.nodes.get(id);
    invariant(node !== undefined, 'no such node', { id });
    this.write([{ op: 'update', table: 'node', object: { ...node, ...change(node) } }]);
  }

  network(id: string, spec: Partial<Network['spec']>): void {
    const object: Network = {
      id,
      meta: newMeta,
      spec: {
        Name: id,
        Labels: {},
        Driver: 'overlay',
        Internal: false,
        Attachable: false,
        Ingress: false,
        Predefined: false,
        ...spec,
      },
    };
    this.write([{ op: 'create', table: 'network', object }]);
  }

  service(id: string, template: Partial<TaskTemplate> = {}, spec: Partial<ServiceSpec> = {}): void {
    const whole: ServiceSpec = {
      Name: id,
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0, ...template },
      Mode: { Replicated: { Replicas: 1 } },
      ...spec,
    };
    const endpoint = { revision: 1, ports: [], virtualIps: [] };
    const revision = {
      id: revisionId(id, 1),
      meta: newMeta,
      serviceId: id,
      number: 1,
      spec: whole,
    };
    this.write([
      {
        op: 'create',
        table: 'service',
        object: { id, meta: newMeta, name: id, revision: 1, endpoint },
      },
      { op: 'create', table: 'revision', object: revision },
    ]);
  }

  /** A swarm with these labels; what else it had before goes. */
  cluster(labels: Record<string, string>, more: Partial<ClusterSpec> = {}): void {
    const { cluster } = this.state.view;
    const spec = { ...aCluster.spec, Labels: labels, ...more };
    if (cluster === undefined)
      this.write([{ op: 'create', table: 'cluster', object: { ...aCluster, spec } }]);
    else this.write([{ op: 'update', table: 'cluster', object: { ...cluster, spec } }]);
  }

  /** The service with other labels, as `docker service update` writes it; its tasks stay as they are. */
  relabel(id: string, labels: Record<string, string>, template: Partial<TaskTemplate> = {}): void {
    const service = this.state.view.services.get(id);
    invariant(service !== undefined, 'no such service', { id });
    const current = this.state.view.revisions.of(id, service.revision);
    invariant(current !== undefined, 'no such revision', { id });
    const number = service.revision + 1;
    const TaskTemplate = { ...current.spec.TaskTemplate, ...template };
    const spec = { ...current.spec, Labels: labels, TaskTemplate };
    const revision = { id: revisionId(id, number), meta: newMeta, serviceId: id, number, spec };
    this.write([
      { op: 'update', table: 'service', object: { ...service, revision: number } },
      { op: 'create', table: 'revision', object: revision },
    ]);
  }

  removeService(id: string): void {
    const service = this.state.view.services.get(id);
    invariant(service !== undefined, 'no such service', { id });
    this.write([{ op: 'delete', table: 'service', id, version: service.meta.version }]);
  }

  /** What its agent, or the orchestrator, makes of a task. */
  changeTask(id: string, change: Partial<Task>): void {
    this.write([{ op: 'update', table: 'task', object: { ...this.task(id), ...change } }]);
  }

  /** The agent reports that the task is in this state. */
  report(id: string, state: Task['status']['state']): void {
    const { status } = this.task(id);
    this.changeTask(id, { status: { ...status, state, at: this.now, message: state } });
  }

  /** New pending tasks of the service; returns their ids. */
  tasks(serviceId: string, count: number, change: Partial<Task> = {}): string[] {
    const objects = Array.from({ length: count }, (): Task => {
      this.#tasks += 1;
      return {
        id: `task${this.#tasks}`,
        meta: newMeta,
        serviceId,
        slot: this.#tasks,
        nodeId: '',
        revision: 1,
        desired: 'running',
        status: { state: 'pending', at: this.now, message: 'pending task scheduling', err: '' },
        ...change,
      };
    });
    this.write(objects.map((object): Change => ({ op: 'create', table: 'task', object })));
    return objects.map(({ id }) => id);
  }

  /** A task that is there already, on a node. */
  placed(
    serviceId: string,
    nodeId: string,
    state: Task['status']['state'] = 'running',
    change: Partial<Task> = {},
  ): string {
    const status = { state, at: this.now, message: state, err: '' };
    const [id = ''] = this.tasks(serviceId, 1, { nodeId, status, ...change });
    return id;
  }

  task(id: string): Task {
    const task = this.state.view.tasks.get(id);
    invariant(task !== undefined, 'no such task', { id });
    return task;
  }

  end(id: string, state: 'failed' | 'complete' | 'shutdown' = 'failed'): void {
    const task = this.task(id);
    const status = { ...task.status, state, at: this.now };
    this.write([{ op: 'update', table: 'task', object: { ...task, status } }]);
  }

  /** Tasks by node, those of one service or all. */
  counts(serviceId?: string): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { id } of this.state.view.nodes.values()) counts[id] = 0;
    for (const task of this.state.view.tasks.values())
      if (task.nodeId !== '' && (serviceId === undefined || task.serviceId === serviceId))
        counts[task.nodeId] = (counts[task.nodeId] ?? 0) + 1;
    return counts;
  }

  write(changes: readonly Change[]): void {
    const refused = this.#apply('user', [changes]).find(({ kind }) => kind === 'refused');
    invariant(refused === undefined, 'a move was refused', { refused });
  }

  /** kill -9: caches and wakes are lost. */
  restart(): void {
    this.#stage = createScheduler();
    this.#everything = true;
    this.#changes = [];
    this.#due.clear();
    this.#wakes.clear();
  }

  fresh(): Stage {
    return createScheduler();
  }

  /** Steps until nothing moves, then checks that a fresh scheduler finds nothing to do. */
  schedule(): this {
    for (let round = 0; this.#isWoken(); round += 1) {
      invariant(round < roundsMax, 'the scheduler is restless');
      this.#step();
    }
    const everything = { everything: true, changes: [], due: new Set<string>() };
    const more = [...createScheduler().step(this.state.view, everything, this.now, () => true)];
    invariant(more.length === 0, 'a look at everything wants more', { more });
    return this;
  }

  /** Something moved; when nothing did, time goes on to the next wake. */
  #isWoken(): boolean {
    if (this.#everything || this.#changes.length + this.#due.size > 0) return true;
    const [next] = [...this.#wakes].sort((a, b) => a[1] - b[1]);
    if (next === undefined) return false;
    this.now = Math.max(this.now, next[1]) as Instant;
    this.#wakes.delete(next[0]);
    this.#due.add(next[0]);
    return true;
  }

  #step(): void {
    const changed = { everything: this.#everything, changes: this.#changes, due: this.#due };
    this.#everything = false;
    this.#changes = [];
    this.#due = new Set();
    const decisions = [...this.#stage.step(this.seen, changed, this.now, () => true)];
    for (const decision of decisions)
      if (decision.kind === 'wake') this.#wakes.set(decision.key, decision.at);
    const transactions = decisions.filter((decision) => decision.kind === 'transaction');
    if (transactions.length === 0) return;
    this.meanwhile?.();
    this.meanwhile = undefined;
    const outcomes = this.#apply(
      'stage',
      transactions.map(({ changes }) => changes),
    );
    for (const [at, outcome] of outcomes.entries())
      if (outcome.kind === 'refused') {
        this.refusals.push(outcome.refusal);
        this.#due.add(transactions[at]?.key ?? '');
      }
  }

  #apply(kind: 'user' | 'stage', all: readonly (readonly Change[])[]) {
    const { view } = this.state;
    const transactions = all.map((changes) => {
      this.#transactions += 1;
      const id = `transaction${this.#transactions}`;
      return { id, actor: { kind, name: 'fake' }, reason: 'fake', decidedAt: view.index, changes };
    });
    const index = (view.index + 1) as LogIndex;
    const entry = this.state.applyTransactions(index, this.now, transactions);
    this.#changes.push(...entry.changes);
    return entry.outcomes;
  }
}
