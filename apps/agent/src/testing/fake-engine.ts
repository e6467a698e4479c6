import type { NodeDescription, TaskAssignment } from '@shoal/state';
import type { ContainerEvent, Engine, EngineResult, TaskContainer } from '../executor/engine.ts';

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

/** An engine whose containers run until the test ends them; notes what is done to them. */
export class FakeEngine implements Engine {
  readonly containers = new Map<string, TaskContainer>();
  /** Ids of containers that were stopped or removed, in order. */
  readonly touched: string[] = [];
  started = 0;
  readonly #listeners = new Set<Listener>();

  /** The container of a task ends by itself. */
  die(taskId: string, exitCode: number): void {
    const container = this.#of(taskId);
    if (container === undefined) throw new Error(`no container of ${taskId}`);
    this.containers.set(container.id, { ...container, state: 'exited', exitCode });
    for (const listener of this.#listeners)
      listener(taskId, { kind: 'died', containerId: container.id, exitCode });
  }

  /** The health check of a task's container comes to a result. */
  becomes(taskId: string, health: 'healthy' | 'unhealthy'): void {
    const container = this.#of(taskId);
    if (container === undefined) throw new Error(`no container of ${taskId}`);
    this.containers.set(container.id, { ...container, health });
    for (const listener of this.#listeners)
      listener(taskId, { kind: health, containerId: container.id });
  }

  runs(taskId: string): boolean {
    return this.#of(taskId)?.state === 'running';
  }

  async describe() {
    return ok(description);
  }

  async create({ taskId, template }: TaskAssignment) {
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
    const container = this.containers.get(id);
    if (container === undefined) return notFound;
    this.started += 1;
    this.containers.set(id, { ...container, state: 'running', pid: 1 });
    return ok(undefined);
  }

  async inspect(name: string): Promise<EngineResult<TaskContainer>> {
    const container = this.containers.get(name);
    return container === undefined ? notFound : ok(container);
  }

  async stop(id: string) {
    this.touched.push(id);
    const container = this.containers.get(id);
    if (container === undefined) return notFound;
    this.containers.set(id, { ...container, state: 'exited' });
    return ok(undefined);
  }

  async remove(id: string) {
    this.touched.push(id);
    return this.containers.delete(id) ? ok(undefined) : notFound;
  }

  async list() {
    return ok([...this.containers.values()]);
  }

  async watch(_nodeId: string, signal: AbortSignal, listener: Listener) {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    return ok(undefined);
  }

  async logs() {
    return notFound;
  }

  #of(taskId: string): TaskContainer | undefined {
    return [...this.containers.values()].find((container) => container.taskId === taskId);
  }
}
