import type { Instant } from '@shoal/runtime';
import {
  isTerminal,
  matchesConstraints,
  parseConstraints,
  type Revision,
  type Service,
  type StateView,
  sameTask,
  type Task,
} from '@shoal/state';
import { isOnLostNode } from './node-fitness.ts';
import type { Plan } from './plan.ts';

/** How the spec that a task was made from compares with the current one. */
type Age = 'current' | 'placement-differs' | 'old';

/** One service under examination: what is known of it, and the plan being made for it. */
export class Subject {
  readonly view: StateView;
  readonly service: Service;
  /** The current revision. */
  readonly revision: Revision;
  readonly plan: Plan;
  readonly now: Instant;
  readonly #ages = new Map<number, Age>();

  constructor(view: StateView, service: Service, revision: Revision, plan: Plan, now: Instant) {
    this.view = view;
    this.service = service;
    this.revision = revision;
    this.plan = plan;
    this.now = now;
  }

  /**
   * True when the task must be replaced to match the current revision. A task of an older revision that
   * says the same stays; so does one of which only the placement differs and whose node still fits.
   */
  isDirty(task: Task): boolean {
    const age = this.#age(task.revision);
    return age === 'old' || (age === 'placement-differs' && !this.#fitsItsNode(task));
  }

  /** Meant to run, not ended, on a node that is there. */
  isHealthy(task: Task): boolean {
    return !isTerminal(task.status.state) && !isOnLostNode(this.view, task);
  }

  #age(revision: number): Age {
    const known = this.#ages.get(revision);
    if (known !== undefined) return known;
    const age = this.#compare(revision);
    this.#ages.set(revision, age);
    return age;
  }

  #compare(number: number): Age {
    if (number === this.revision.number) return 'current';
    const older = this.view.revisions.of(this.service.id, number);
    if (older === undefined) return 'old';
    if (sameTask(older, this.revision)) return 'current';
    const { Placement } = this.revision.spec.TaskTemplate;
    const TaskTemplate = { ...older.spec.TaskTemplate, Placement };
    const moved = { ...older, spec: { ...older.spec, TaskTemplate } };
    return sameTask(moved, this.revision) ? 'placement-differs' : 'old';
  }

  #fitsItsNode(task: Task): boolean {
    const node = this.view.nodes.get(task.nodeId);
    const { Placement } = this.revision.spec.TaskTemplate;
    const parsed = parseConstraints(Placement?.Constraints ?? []);
    return (
      node !== undefined &&
      parsed.kind === 'constraints' &&
      matchesConstraints(parsed.constraints, node)
    );
  }
}
