import type { GroupDecision } from './decision.ts';

/** Decisions remembered. */
export const decisionsMax = 10_000;
/** Tasks and nodes named in all of them together. */
export const namesMax = 400_000;

/** The newest decisions of this process; the oldest go first. Lost with the process. */
export class DecisionStore {
  readonly #decisions: GroupDecision[] = [];
  /** Where the oldest is in `#decisions`; what is before it is gone. */
  #first = 0;
  #names = 0;

  get size(): number {
    return this.#decisions.length - this.#first;
  }

  add(decision: GroupDecision): void {
    this.#decisions.push(decision);
    this.#names += namesIn(decision);
    while (this.size > decisionsMax || (this.#names > namesMax && this.size > 1)) this.#drop();
    if (this.#first > decisionsMax) {
      this.#decisions.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Decisions about the tasks of a service, or of these tasks alone; newest first. */
  find(serviceId: string, taskIds: ReadonlySet<string>, max: number): readonly GroupDecision[] {
    const found: GroupDecision[] = [];
    for (let at = this.#decisions.length - 1; at >= this.#first && found.length < max; at -= 1) {
      const decision = this.#decisions[at];
      if (decision?.serviceId === serviceId && concerns(decision, taskIds)) found.push(decision);
    }
    return found;
  }

  #drop(): void {
    const oldest = this.#decisions[this.#first];
    if (oldest === undefined) return;
    this.#names -= namesIn(oldest);
    delete this.#decisions[this.#first];
    this.#first += 1;
  }
}

function namesIn({ placed, waiting, look }: GroupDecision): number {
  return 1 + 2 * placed.length + waiting.length + 2 * (look?.candidates.length ?? 0);
}

function concerns({ placed, waiting }: GroupDecision, taskIds: ReadonlySet<string>): boolean {
  if (taskIds.size === 0) return true;
  return placed.some(({ taskId }) => taskIds.has(taskId)) || waiting.some((id) => taskIds.has(id));
}
