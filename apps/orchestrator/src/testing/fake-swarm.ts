import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import type { ChangeSet, Stage } from '@shoal/stage';
import {
  type AppliedChange,
  type Change,
  jobStatusAfter,
  type Node,
  newMeta,
  type Refusal,
  revisionId,
  rollbackTarget,
  type Service,
  type ServiceSpec,
  State,
  type StateView,
  type Task,
  type Transaction,
} from '@shoal/state';
import { advanceTask, type Fate } from './fake-agents.ts';
import { aNode, aService, aSpec, type SpecParts } from './objects.ts';

/** Rounds until everything must be quiet. */
const roundsMax = 500;
const tickMs = 100;

class Stepped {
  readonly make: () => Stage;
  stage: Stage;
  everything = true;
  changes: AppliedChange[] = [];
  due = new Set<string>();
  readonly wakes = new Map<string, Instant>();

  constructor(make: () => Stage) {
    this.make = make;
    this.stage = make();
  }

  /** kill -9: caches and wakes are lost. */
  restart(): void {
    this.stage = this.make();
    this.everything = true;
    this.changes = [];
    this.due.clear();
    this.wakes.clear();
  }

  get nextWake(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.wakes.values());
  }
}

interface Wanted {
  readonly key: string;
  readonly changes: readonly Change[];
}

export interface FakeSwarmOptions {
  /** The stages that run; what the others would do to new tasks is then done by the fake agents. */
  readonly stages: readonly (() => Stage)[];
  readonly fate?: (task: Task) => Fate;
  /** Stages decide on the same state, so that some find it changed when they write. */
  readonly racing?: boolean;
}

/** A state, stages that work on it, and agents that only pretend: a swarm in one thread under a set clock. */
export class FakeSwarm {
  readonly state = new State();
  readonly stages: readonly Stepped[];
  readonly refusals: Refusal[] = [];
  /** What stages did, in order. */
  readonly reasons: string[] = [];
  readonly #options: FakeSwarmOptions;
  readonly #places: boolean;
  now = 1_700_000_000_000 as Instant;
  fate: (task: Task) => Fate;
  #transactions = 0;

  constructor(options: FakeSwarmOptions) {
    this.#options = options;
    this.stages = options.stages.map((make) => new Stepped(make));
    this.#places = !this.stages.some(({ stage }) => stage.name === 'scheduler');
    this.fate = this.#options.fate ?? (() => 'runs');
  }

  get view(): StateView {
    return this.state.view;
  }

  tasks(serviceId: string): Task[] {
    return [...this.view.tasks.byService(serviceId)];
  }

  live(serviceId: string): Task[] {
    return this.tasks(serviceId).filter(
      ({ desired }) => desired === 'running' || desired === 'ready',
    );
  }

  running(serviceId: string): Task[] {
    return this.live(serviceId).filter(({ status }) => status.state === 'running');
  }

  service(id: string): Service {
    const service = this.view.services.get(id);
    invariant(service !== undefined, 'no such service', { id });
    return service;
  }

  task(id: string): Task {
    const task = this.view.tasks.get(id);
    invariant(task !== undefined, 'no such task', { id });
    return task;
  }

  addNodes(count: number, change: Partial<Node> = {}): void {
    const first = this.view.nodes.size + 1;
    for (let at = first; at < first + count; at += 1)
      this.write([{ op: 'create', table: 'node', object: aNode(`node${at}`, change) }]);
  }

  changeNode(id: string, change: (node: Node) => Partial<Node>): void {
    const node = this.view.nodes.get(id);
    invariant(node !== undefined, 'no such node', { id });
    this.write([{ op: 'update', table: 'node', object: { ...node, ...change(node) } }]);
  }

  drain(id: string): void {
    this.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability: 'drain' } }));
  }

  setNodeState(id: string, state: Node['status']['state']): void {
    this.changeNode(id, ({ status }) => ({ status: { ...status, state } }));
  }

  create(id: string, parts: SpecParts = {}): void {
    const spec = aSpec(id, parts);
    const jobStatus = jobStatusAfter(undefined, undefined, { number: 1, spec }, this.now);
    this.write([
      { op: 'create', table: 'service', object: { ...aService(id, spec), jobStatus } },
      revision(id, 1, spec),
    ]);
  }

  /** As the API does it: a new revision, the old one remembered, the status cleared. */
  update(id: string, change: (spec: ServiceSpec) => ServiceSpec): void {
    const service = this.service(id);
    const current = this.view.revisions.of(id, service.revision);
    invariant(current !== undefined, 'no revision', { id });
    const numbers = [...this.view.revisions.byService(id)].map(({ number }) => number);
    const number = Math.max(...numbers) + 1;
    const spec = change(current.spec);
    const { jobStatus } = service;
    this.write([
      {
        op: 'update',
        table: 'service',
        object: {
          ...service,
          revision: number,
          previousRevision: rollbackTarget(this.view, service),
          updateStatus: undefined,
          jobStatus: jobStatusAfter(jobStatus, current.spec, { number, spec }, this.now),
        },
      },
      revision(id, number, spec),
    ]);
  }

  setImage(id: string, image: string): void {
    this.update(id, (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { Image: image } },
    }));
  }

  /** `docker service update --force` */
  force(id: string): void {
    this.update(id, ({ TaskTemplate, ...spec }) => ({
      ...spec,
      TaskTemplate: { ...TaskTemplate, ForceUpdate: TaskTemplate.ForceUpdate + 1 },
    }));
  }

  scale(id: string, replicas: number): void {
    this.update(id, (spec) => ({ ...spec, Mode: { Replicated: { Replicas: replicas } } }));
  }

  /** As the API does it: the two revisions change places. */
  rollBack(id: string, to = this.service(id).previousRevision): void {
    const service = this.service(id);
    invariant(to !== undefined, 'no revision to go back to', { id });
    const updateStatus = {
      state: 'rollback_started',
      message: 'manually requested rollback',
      startedAt: this.now,
      since: service.meta.updatedAt,
    } as const;
    const object = { ...service, revision: to, previousRevision: service.revision, updateStatus };
    this.write([{ op: 'update', table: 'service', object }]);
  }

  remove(id: string): void {
    const { meta } = this.service(id);
    this.write([{ op: 'delete', table: 'service', id, version: meta.version }]);
  }

  end(task: Task, state: 'failed' | 'complete' | 'rejected' = 'failed'): void {
    const current = this.task(task.id);
    const status = { ...current.status, state, at: this.now, message: state };
    this.write([{ op: 'update', table: 'task', object: { ...current, status } }]);
  }

  write(changes: readonly Change[]): void {
    const refused = this.#apply('user', [changes]).find(({ kind }) => kind === 'refused');
    invariant(refused === undefined, 'a move was refused', { refused });
  }

  /** Steps all stages until none wants anything, then checks that a look at everything agrees. */
  settle(): void {
    for (let round = 0; ; round += 1) {
      invariant(round < roundsMax, 'the stages are restless', { reasons: this.reasons.slice(-5) });
      const moved = this.#options.racing ? this.#race() : this.#takeTurns();
      if (!moved) break;
    }
    for (const stepped of this.stages) this.#compareWithWhole(stepped);
  }

  /** Lets time pass; agents act every tick, stages whenever something moved. */
  run(durationMs: number, until: () => boolean = () => false): void {
    const end = this.now + durationMs;
    this.settle();
    while (this.now < end && !until()) {
      this.now = Math.min(end, this.now + tickMs) as Instant;
      this.#agentsAct();
      this.settle();
    }
  }

  /** Runs until `done`; fails after `withinMs` of the swarm's time. */
  runUntil(what: string, done: () => boolean, withinMs = 120_000): void {
    const from = this.now;
    this.run(withinMs, done);
    invariant(done(), `not within ${withinMs} ms: ${what}`, {
      waited: this.now - from,
      reasons: this.reasons.slice(-10),
    });
  }

  #agentsAct(): void {
    const changes: Change[][] = [];
    const load = new Map<string, number>();
    for (const task of this.view.tasks.values()) {
      const object = advanceTask(
        this.view,
        task,
        this.fate,
        this.now,
        this.#places ? load : undefined,
      );
      if (object !== undefined) changes.push([{ op: 'update', table: 'task', object }]);
    }
    if (changes.length > 0) this.#apply('agent', changes);
  }

  /** Each stage sees what the one before it wrote. */
  #takeTurns(): boolean {
    const moved = this.stages.map((stepped) => {
      const wanted = this.#decide(stepped);
      if (wanted !== undefined) this.#commit(stepped, wanted);
      return wanted !== undefined;
    });
    return moved.includes(true);
  }

  /** All decide on the same state before any of them writes. */
  #race(): boolean {
    const all = this.stages.map((stepped) => ({ stepped, wanted: this.#decide(stepped) }));
    for (const { stepped, wanted } of all) if (wanted !== undefined) this.#commit(stepped, wanted);
    return all.some(({ wanted }) => wanted !== undefined);
  }

  /** What the stage wants; undefined when nothing woke it. */
  #decide(stepped: Stepped): readonly Wanted[] | undefined {
    for (const [key, at] of stepped.wakes)
      if (at <= this.now) {
        stepped.wakes.delete(key);
        stepped.due.add(key);
      }
    const { everything, changes, due } = stepped;
    if (!everything && changes.length === 0 && due.size === 0) return undefined;
    stepped.everything = false;
    stepped.changes = [];
    stepped.due = new Set();
    const changed: ChangeSet = { everything, changes, due };
    const wanted: Wanted[] = [];
    for (const decision of [...stepped.stage.step(this.view, changed, this.now, () => true)]) {
      if (decision.kind === 'wake') stepped.wakes.set(decision.key, decision.at);
      else {
        wanted.push(decision);
        this.reasons.push(decision.reason);
      }
    }
    return wanted;
  }

  #commit(stepped: Stepped, wanted: readonly Wanted[]): void {
    if (wanted.length === 0) return;
    const outcomes = this.#apply(
      'stage',
      wanted.map(({ changes }) => changes),
    );
    for (const [at, outcome] of outcomes.entries())
      if (outcome.kind === 'refused') {
        this.refusals.push(outcome.refusal);
        stepped.due.add(wanted[at]?.key ?? '');
      }
  }

  #compareWithWhole({ make, wakes }: Stepped): void {
    const everything: ChangeSet = { everything: true, changes: [], due: new Set() };
    for (const decision of make().step(this.view, everything, this.now, () => true)) {
      if (decision.kind === 'transaction')
        invariant(false, 'a look at everything wants more', { ...decision });
      const known = wakes.get(decision.key);
      invariant(known !== undefined && known <= decision.at, 'a wake was missed', {
        ...decision,
        known,
      });
    }
  }

  #apply(kind: 'user' | 'stage' | 'agent', all: readonly (readonly Change[])[]) {
    const transactions = all.map((changes): Transaction => {
      this.#transactions += 1;
      const id = `transaction${this.#transactions}`;
      const actor = { kind, name: 'fake' };
      return { id, actor, reason: 'fake', decidedAt: this.view.index, changes };
    });
    const index = (this.view.index + 1) as LogIndex;
    const entry = this.state.applyTransactions(index, this.now, transactions);
    for (const stepped of this.stages) stepped.changes.push(...entry.changes);
    return entry.outcomes;
  }
}

function revision(serviceId: string, number: number, spec: ServiceSpec): Change {
  const id = revisionId(serviceId, number);
  return {
    op: 'create',
    table: 'revision',
    object: { id, meta: newMeta, serviceId, number, spec },
  };
}
