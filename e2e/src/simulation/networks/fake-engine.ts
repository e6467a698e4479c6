import type {
  ContainerEvent,
  Engine,
  EngineResult,
  ListedContainer,
  TaskContainer,
} from '@shoal/agent';
import type { Clock } from '@shoal/runtime';
import type { SeededRandom, SimulatedProcess } from '@shoal/sim';
import type { NodeDescription, TaskAssignment } from '@shoal/state';

type Listener = (taskId: string, event: ContainerEvent) => void;

/** What a call takes, milliseconds. */
const callMs = { min: 1, max: 150 } as const;

const notFound = { kind: 'failed', failure: { kind: 'not-found', message: 'no such' } } as const;

function ok<T>(value: T): EngineResult<T> {
  return { kind: 'ok', value };
}

/** A host's containers, which outlive its agent. Calls take a while, and those of a dead agent end never. */
export class FakeEngine {
  readonly #containers = new Map<string, TaskContainer>();
  readonly #listeners = new Set<Listener>();
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #description: NodeDescription;
  #made = 0;

  constructor(clock: Clock, random: SeededRandom, description: NodeDescription) {
    this.#clock = clock;
    this.#random = random;
    this.#description = description;
  }

  get running(): readonly string[] {
    return [...this.#containers.values()].flatMap(({ state, taskId }) =>
      state === 'running' ? taskId : [],
    );
  }

  /** Every container ends without a word: the host lost its power, and its agent with it. */
  losePower(): void {
    this.#listeners.clear();
    for (const [id, container] of this.#containers)
      if (container.state === 'running') this.#containers.set(id, exited(container));
  }

  /** `docker kill` of one of them. */
  killOne(): void {
    const taskId = this.#random.pick(this.running);
    const container = [...this.#containers.values()].find((one) => one.taskId === taskId);
    if (container !== undefined) this.#end(container);
  }

  /** The engine as an agent sees it. */
  for(agent: SimulatedProcess): Engine {
    const call = <T>(work: () => EngineResult<T>): Promise<EngineResult<T>> =>
      new Promise((resolve) => {
        // The engine does what it was asked for, whatever becomes of who asked.
        this.#clock.after(this.#random.between(callMs.min, callMs.max), () => {
          const result = work();
          if (agent.alive) resolve(result);
        });
      });
    return {
      describe: () => call(() => ok(this.#description)),
      create: (assignment) => call(() => this.#create(assignment)),
      pull: () => call(() => ok(undefined)),
      start: (id) => call(() => this.#start(id)),
      inspect: (id) => call(() => this.#inspect(id)),
      stop: (id) => call(() => this.#stop(id)),
      remove: (id) => call(() => this.#remove(id)),
      list: () => call(() => ok(this.#list())),
      watch: (_nodeId, signal, listener) => {
        const guarded: Listener = (...told) => {
          if (agent.alive) listener(...told);
        };
        signal.addEventListener('abort', () => this.#listeners.delete(guarded));
        return call(() => {
          this.#listeners.add(guarded);
          return ok(undefined);
        });
      },
      logs: () => Promise.resolve(notFound),
    };
  }

  #list(): readonly ListedContainer[] {
    return Array.from(this.#containers.values(), (one) => ({ ...one, hasTaskName: true }));
  }

  #create({ taskId }: TaskAssignment): EngineResult<{ readonly id: string }> {
    // Containers of a task have one name.
    if (this.#find(taskId) !== undefined)
      return { kind: 'failed', failure: { kind: 'conflict', message: 'the name is taken' } };
    const id = `c${this.#made++}-${taskId}`;
    this.#containers.set(id, {
      ...{ id, taskId, state: 'created', pid: 0, exitCode: 0 },
      ...{ health: 'none', ports: [], error: '' },
    });
    return ok({ id });
  }

  #start(id: string): EngineResult<undefined> {
    const container = this.#find(id);
    if (container === undefined) return notFound;
    this.#containers.set(container.id, { ...container, state: 'running', pid: 1 });
    return ok(undefined);
  }

  #inspect(id: string): EngineResult<TaskContainer> {
    const container = this.#find(id);
    return container === undefined ? notFound : ok(container);
  }

  #stop(id: string): EngineResult<undefined> {
    const container = this.#find(id);
    if (container === undefined) return notFound;
    if (container.state === 'running') this.#end(container);
    return ok(undefined);
  }

  #remove(id: string): EngineResult<undefined> {
    const container = this.#find(id);
    if (container === undefined) return notFound;
    if (container.state === 'running') this.#end(container);
    this.#containers.delete(container.id);
    return ok(undefined);
  }

  #end(container: TaskContainer): void {
    this.#containers.set(container.id, exited(container));
    for (const listener of [...this.#listeners])
      listener(container.taskId, { kind: 'died', containerId: container.id, exitCode: 137 });
  }

  /** By id, or by the name of the task's container, which ends with the task's id. */
  #find(name: string): TaskContainer | undefined {
    const byId = this.#containers.get(name);
    if (byId !== undefined) return byId;
    return [...this.#containers.values()].find(({ taskId }) => name.endsWith(taskId));
  }
}

function exited(container: TaskContainer): TaskContainer {
  return { ...container, state: 'exited', exitCode: 137 };
}
