import type { Instant } from '@shoal/runtime';
import {
  isTerminal,
  meetsPlacement,
  type Revision,
  type Service,
  type StateView,
  type Task,
  type TaskAge,
  taskAge,
} from '@shoal/state';
import { isOnLostNode } from './node-fitness.ts';
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

  #age(revision: number): TaskAge {
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
