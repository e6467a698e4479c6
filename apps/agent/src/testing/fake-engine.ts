import type { NodeDescription, TaskAssignment } from '@shoal/state';
import type {
  ContainerEvent,
  Engine,
  EngineResult,
  ListedContainer,
  TaskContainer,
} from '../executor/engine.ts';

type Listener = (taskId: string, event: ContainerEvent) => void;

const description: NodeDescription = {
  Hostname: 'host',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: { NanoCPUs: 1e9, MemoryBytes: 1e9 },
  Engine: { EngineVersion: '20', Plugins: [] },
};

function ok<T>(value: T): EngineResult<T> {
  return { kind: 'ok', value };
}

const notFound = { kind: 'failed', failure: { kind: 'not-found', message: 'no such' } } as const;
const unreachable = {
  kind: 'failed',
  failure: { kind: 'unreachable', message: 'connection refused' },
} as const;

/** An engine whose containers run until the test ends them; notes what is done to them. */
export class FakeEngine implements Engine {
  readonly containers = new Map<string, TaskContainer>();
  /** Ids of containers that have another name than that of their task. */
  readonly renamed = new Set<string>();
  /** Ids of containers that were stopped or removed, in order. */
  readonly touched: string[] = [];
  started = 0;
  readonly #listeners = new Set<Listener>();
  readonly #streams = new Set<() => void>();
  #isAway = false;

  /** The container of a task ends by itself. */
  die(taskId: string, exitCode: number): void {
    const container = this.#of(taskId);
    if (container === undefined) throw new Error(`no container of ${taskId}`);
    this.containers.set(container.id, { ...container, state: 'exited', exitCode });
    for (const listener of this.#listeners)
      listener(taskId, { kind: 'died', containerId: container.id, exitCode });
  }

  /** What somebody does by hand with a task's container, running or not. */
  async restart(taskId: string): Promise<void> {
    const container = this.#of(taskId);
    if (container?.state === 'running') this.die(taskId, 137);
    await this.start(container?.id ?? '');
  }

  /** The health check of a task's container comes to a result. */
  becomes(taskId: string, health: 'healthy' | 'unhealthy'): void {
    const container = this.#of(taskId);
    if (container === undefined) throw new Error(`no container of ${taskId}`);
    this.containers.set(container.id, { ...container, health });
    for (const listener of this.#listeners)
      listener(taskId, { kind: health, containerId: container.id });
  }

  /** Streams of events end, and until others begin nobody hears what happens. */
  cutStreams(): void {
    for (const ended of [...this.#streams]) ended();
  }

  /** It is stopped, and its containers with it. */
  stopItself(): void {
    this.#isAway = true;
    for (const [id, container] of this.containers)
      if (container.state === 'running')
        this.containers.set(id, { ...container, state: 'exited', exitCode: 137 });
    this.cutStreams();
  }

  startItself(): void {
    this.#isAway = false;
  }

  runs(taskId: string): boolean {
    return this.#of(taskId)?.state === 'running';
  }

  async describe() {
    if (this.#isAway) return unreachable;
    return ok(description);
  }

  async create({ taskId, template }: TaskAssignment) {
    if (this.#isAway) return unreachable;
    const id = `container-of-${taskId}`;
    this.containers.set(id, {
      id,
      taskId,
      state: 'created',
      pid: 0,
      exitCode: 0,
      health: template.ContainerSpec.Healthcheck === undefined ? 'none' : 'starting',
      ports: [],
      error: '',
    });
    return ok({ id });
  }

  async pull() {
    return ok(undefined);
  }

  async start(id: string) {
    if (this.#isAway) return unreachable;
    const container = this.containers.get(id);
    if (container === undefined) return notFound;
    this.started += 1;
    this.containers.set(id, { ...container, state: 'running', pid: 1 });
    for (const listener of this.#listeners)
      listener(container.taskId, { kind: 'started', containerId: id });
    return ok(undefined);
  }

  async inspect(name: string): Promise<EngineResult<TaskContainer>> {
    if (this.#isAway) return unreachable;
    const container = this.#find(name);
    return container === undefined ? notFound : ok(container);
  }

  async stop(name: string): Promise<EngineResult<undefined>> {
    if (this.#isAway) return unreachable;
    this.touched.push(name);
    const container = this.#find(name);
    if (container === undefined) return notFound;
    this.containers.set(container.id, { ...container, state: 'exited' });
    return ok(undefined);
  }

  async remove(name: string): Promise<EngineResult<undefined>> {
    if (this.#isAway) return unreachable;
    this.touched.push(name);
    return this.containers.delete(this.#find(name)?.id ?? name) ? ok(undefined) : notFound;
  }

  async list(): Promise<EngineResult<readonly ListedContainer[]>> {
    if (this.#isAway) return unreachable;
    return ok(
      [...this.containers.values()].map((each) => ({
        ...each,
        hasTaskName: !this.renamed.has(each.id),
      })),
    );
  }

  async watch(_nodeId: string, signal: AbortSignal, listener: Listener, ended?: () => void) {
    if (this.#isAway) return unreachable;
    this.#listeners.add(listener);
    if (ended !== undefined) this.#streams.add(ended);
    signal.addEventListener('abort', () => {
      this.#listeners.delete(listener);
      if (ended !== undefined) this.#streams.delete(ended);
    });
    return ok(undefined);
  }

  async logs() {
    return notFound;
  }

  /** By id, or by the name that ends with its task's id. */
  #find(name: string): TaskContainer | undefined {
    const byId = this.containers.get(name);
    if (byId !== undefined) return byId;
    const named = this.#of(name.slice(name.lastIndexOf('.') + 1));
    return named === undefined || this.renamed.has(named.id) ? undefined : named;
  }

  #of(taskId: string): TaskContainer | undefined {
    return [...this.containers.values()].find((container) => container.taskId === taskId);
  }
}
