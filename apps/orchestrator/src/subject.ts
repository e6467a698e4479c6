import type { Instant } from '@shoal/runtime';
import {
  type Constraint,
  isTerminal,
  matchesConstraints,
  meetsPlacement,
  type Node,
  parseConstraints,
  type Revision,
  type Service,
  type StateView,
  type Task,
  type TaskAge,
  taskAge,
} from '@shoal/state';
import { type Departure, departureOf } from './drain/departure.ts';
import type { Plan } from './plan.ts';

/** One service under examination: what is known of it, and the plan being made for it. */
export class Subject {
  readonly view: StateView;
  readonly service: Service;
  /** The current revision. */
  readonly revision: Revision;
  readonly plan: Plan;
  readonly now: Instant;
  readonly #ages = new Map<number, TaskAge>();
  readonly #constraints = new Map<Revision, readonly Constraint[]>();

  constructor(view: StateView, service: Service, revision: Revision, plan: Plan, now: Instant) {
    this.view = view;
    this.service = service;
    this.revision = revision;
    this.plan = plan;
    this.now = now;
  }

  /** The same service as if it stood at `revision`: of tasks that an update leaves as they are. */
  at(revision: Revision): Subject {
    if (revision === this.revision) return this;
    return new Subject(this.view, this.service, revision, this.plan, this.now);
  }

  /**
   * True when the task must be replaced to match the current revision. A task of an older revision that
   * says the same stays; so does one of which only the placement differs and whose node still fits.
   */
  isDirty(task: Task): boolean {
    const age = this.ageOf(task);
    return age === 'old' || (age === 'placement-differs' && !this.#fitsItsNode(task));
  }

  /** Not ended, on a node where it can stay, at least until another one has taken over. */
  isHealthy(task: Task): boolean {
    return !isTerminal(task.status.state) && this.departureOf(task).kind !== 'now';
  }

  /** As it is wanted: healthy, of the current revision, and where it is to stay. */
  isSettled(task: Task): boolean {
    return (
      !isTerminal(task.status.state) &&
      !this.isDirty(task) &&
      this.departureOf(task).kind === 'stays'
    );
  }

  departureOf(task: Task): Departure {
    return departureOf(this.view, task, this.now);
  }

  /**
   * Since when tasks are to be as the current revision says, on the log's clock. Rollbacks go to a
   * revision that is older than they are.
   */
  get changedAt(): Instant {
    const { updateStatus } = this.service;
    return updateStatus?.state.startsWith('rollback')
      ? (updateStatus.since ?? updateStatus.startedAt)
      : this.revision.meta.createdAt;
  }

  /** Whether the node meets the constraints of the revision; malformed ones are met anywhere. */
  meetsConstraints(node: Node, revision = this.revision): boolean {
    let constraints = this.#constraints.get(revision);
    if (constraints === undefined) {
      const parsed = parseConstraints(revision.spec.TaskTemplate.Placement?.Constraints ?? []);
      constraints = parsed.kind === 'constraints' ? parsed.constraints : [];
      this.#constraints.set(revision, constraints);
    }
    return matchesConstraints(constraints, node);
  }

  ageOf({ revision }: Task): TaskAge {
    const known = this.#ages.get(revision);
    if (known !== undefined) return known;
    const age = this.#compare(revision);
    this.#ages.set(revision, age);
    return age;
  }

  #compare(number: number): TaskAge {
    return taskAge(this.view.revisions.of(this.service.id, number), this.revision);
  }

  #fitsItsNode(task: Task): boolean {
    return meetsPlacement(this.view.nodes.get(task.nodeId), this.revision);
  }
}
