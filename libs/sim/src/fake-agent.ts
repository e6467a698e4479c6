import type { AgentMessage, Assignments, DispatcherMessage } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import {
  isBefore,
  isTerminal,
  loadPeriodMs,
  type NodeDescription,
  type TaskAssignment,
  type TaskState,
  type TaskStatus,
} from '@shoal/state';
import type { SimulatedNetwork } from './network.ts';
import type { SeededRandom } from './random.ts';

/** The dispatcher's end of an agent's stream. */
export interface SessionPeer {
  receive(message: AgentMessage): void;
  /** The stream ended from the agent's side. */
  closed(): void;
}

/** Where a fake agent finds a dispatcher; undefined while none runs. */
export type SessionOpener = (session: {
  readonly nodeId: string;
  readonly address: string;
  send(message: DispatcherMessage): void;
  close(): void;
}) => SessionPeer | undefined;

export interface FakeAgentOptions {
  readonly nodeId: string;
  readonly address: string;
  readonly description: NodeDescription;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly open: SessionOpener;
  /** How often a step of a task ends in a failure, from 0 to 1. */
  readonly failureRate: () => number;
  /** Processors that each task of a service uses. */
  readonly load: (serviceId: string) => number;
}

interface FakeContainer {
  assignment: TaskAssignment;
  status: TaskStatus;
  /** True from start to end: what a container engine would list as running. */
  alive: boolean;
  /** When it ends by itself, on the simulated clock; undefined when it runs until it is stopped. */
  endsAt: number | undefined;
  step: Timer | undefined;
}

interface Stream {
  peer: SessionPeer | undefined;
  sequence: number;
  heartbeat: Timer | undefined;
}

const decoder = new TextDecoder();
const stepMsMax = 400;
const reconnectMsMax = 1500;

/**
 * A host's agent and engine in one: it keeps the session's protocol, moves tasks through their states
 * after random delays, and its containers outlive its own crashes, as real ones do.
 */
export class FakeAgent {
  readonly #options: FakeAgentOptions;
  /** The engine's containers and the agent's statuses, by task id. */
  readonly #containers = new Map<string, FakeContainer>();
  #measuring: Timer | undefined;
  #stream: Stream | undefined;
  #running = false;
  #isolated = false;
  #retry: Timer | undefined;

  constructor(options: FakeAgentOptions) {
    this.#options = options;
  }

  get nodeId(): string {
    return this.#options.nodeId;
  }

  /** Ids of tasks whose containers run. */
  get alive(): readonly string[] {
    return [...this.#containers].filter(([, container]) => container.alive).map(([id]) => id);
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#connect();
    this.#measureLater();
    for (const taskId of this.#containers.keys()) this.#advance(taskId);
  }

  /** kill -9 of the agent: its containers run on. */
  crash(): void {
    this.#running = false;
    this.#retry?.cancel();
    this.#measuring?.cancel();
    for (const container of this.#containers.values()) container.step?.cancel();
    this.#disconnect();
  }

  /** The network of the host is gone: the session breaks, and no other can be opened until it is back. */
  isolate(): void {
    this.#isolated = true;
    this.#options.network.cut(this.nodeId);
    if (this.#stream !== undefined) this.#lost(this.#stream);
  }

  reconnect(): void {
    this.#isolated = false;
    this.#options.network.heal(this.nodeId);
  }

  /** The whole host loses power: every container dies. */
  losePower(): void {
    this.crash();
    for (const container of this.#containers.values()) {
      if (container.alive) this.#end(container, 'failed', 'task: non-zero exit (137)');
    }
  }

  /** `docker rm -f` of a random running container. */
  killOne(): void {
    const taskId = this.#options.random.pick(this.alive);
    const container = taskId === undefined ? undefined : this.#containers.get(taskId);
    if (taskId === undefined || container === undefined) return;
    this.#end(container, 'failed', 'task: non-zero exit (137)');
    this.#report([taskId]);
  }

  #measureLater(): void {
    const { clock } = this.#options;
    const restMs = loadPeriodMs - (clock.now() % loadPeriodMs);
    this.#measuring = clock.after(Math.max(restMs, 1), () => {
      const measured: string[] = [];
      for (const [taskId, container] of this.#containers) {
        const { assignment, status } = container;
        if (status.state !== 'running') continue;
        const { load: _, ...rest } = status;
        const load = { processors: this.#options.load(assignment.serviceId), memoryBytes: 1 };
        container.status = assignment.measured === true ? { ...rest, load } : rest;
        measured.push(taskId);
      }
      this.#report(measured);
      this.#measureLater();
    });
  }

  #connect(): void {
    const { open, address } = this.#options;
    const stream: Stream = {
      peer: undefined,
      sequence: 0,
      heartbeat: undefined,
    };
    const session = {
      nodeId: this.nodeId,
      address,
      send: (message: DispatcherMessage) => this.#receive(stream, message),
      close: () => this.#lost(stream),
    };
    stream.peer = this.#isolated ? undefined : open(session);
    if (stream.peer === undefined) {
      this.#reconnectLater();
      return;
    }
    this.#stream = stream;
    const description = encode(this.#options.description);
    const register = { previousSession: '', description, agentVersion: 'fake' };
    this.#send({ body: { $case: 'register', value: register } });
  }

  #reconnectLater(): void {
    const { clock, random } = this.#options;
    this.#retry = clock.after(random.between(50, reconnectMsMax), () => {
      if (this.#running) this.#connect();
    });
  }

  #disconnect(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    stream.heartbeat?.cancel();
    this.#options.network.send(this.nodeId, 'dispatcher', () => stream.peer?.closed());
  }

  #lost(stream: Stream): void {
    if (this.#stream !== stream) return;
    stream.heartbeat?.cancel();
    this.#stream = undefined;
    if (this.#running) this.#reconnectLater();
  }

  #send(message: AgentMessage): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#options.network.send(this.nodeId, 'dispatcher', () => {
      if (this.#stream === stream) stream.peer?.receive(message);
    });
  }

  #receive(stream: Stream, message: DispatcherMessage): void {
    const { body } = message;
    if (!this.#running || this.#stream !== stream || body === undefined) return;
    if (body.$case === 'registered') {
      this.#beat(body.value.heartbeatMs);
      this.#report([...this.#containers.keys()]);
    } else if (body.$case === 'heartbeat') this.#beat(body.value.heartbeatMs);
    else if (body.$case === 'assignments') this.#assigned(body.value);
  }

  #beat(periodMs: number): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.heartbeat?.cancel();
    stream.heartbeat = this.#options.clock.after(periodMs, () =>
      this.#send({ body: { $case: 'heartbeat', value: {} } }),
    );
  }

  #assigned(message: Assignments): void {
    const listed = new Set(message.assignments.map((assignment) => assignment.taskId));
    const gone = message.complete
      ? [...this.#containers.keys()].filter((taskId) => !listed.has(taskId))
      : message.removed;
    for (const taskId of gone) {
      this.#containers.get(taskId)?.step?.cancel();
      this.#containers.delete(taskId);
    }
    for (const { taskId, task } of message.assignments) {
      const assignment = JSON.parse(decoder.decode(task)) as TaskAssignment;
      const known = this.#containers.get(taskId);
      if (known === undefined) {
        this.#containers.set(taskId, {
          assignment,
          status: this.#status('assigned', 'assigned'),
          alive: false,
          endsAt: undefined,
          step: undefined,
        });
      } else known.assignment = assignment;
      this.#advance(taskId);
    }
  }

  /** Arms the next step of a task, if it has one. */
  #advance(taskId: string): void {
    const container = this.#containers.get(taskId);
    if (container === undefined || !this.#running) return;
    container.step?.cancel();
    if (isTerminal(container.status.state)) return;
    const { clock, random } = this.#options;
    const { endsAt, assignment } = container;
    const delayMs =
      endsAt === undefined || !isBefore(assignment.desired, 'shutdown')
        ? random.between(1, stepMsMax)
        : Math.max(1, endsAt - clock.now());
    container.step = clock.after(delayMs, () => this.#step(taskId, container));
  }

  #step(taskId: string, container: FakeContainer): void {
    const { desired } = container.assignment;
    const { state } = container.status;
    if (!isBefore(desired, 'shutdown')) this.#end(container, 'shutdown', '');
    else if (state === 'running' && container.endsAt !== undefined) this.#endByItself(container);
    else if (state === 'running' || (state === 'ready' && desired === 'ready')) return;
    else if (this.#isRefused(container)) {
      const rejected = isBefore(state, 'starting');
      this.#end(container, rejected ? 'rejected' : 'failed', 'the fake engine says no');
    } else {
      const next = nextState[state] ?? 'running';
      const startedAt = next === 'running' ? this.#options.clock.now() : undefined;
      container.status = { ...this.#status(next, next), startedAt };
      container.alive = next === 'running' || next === 'starting';
      if (startedAt !== undefined) container.endsAt = this.#lifeOf(container, startedAt);
    }
    this.#report([taskId]);
    this.#advance(taskId);
  }

  #isRefused({ assignment, status }: FakeContainer): boolean {
    const { Image } = assignment.template.ContainerSpec;
    if (Image === 'bad:rejected' && status.state === 'preparing') return true;
    if (Image === 'bad:start' && status.state === 'starting') return true;
    return this.#options.random.chance(this.#options.failureRate());
  }

  #lifeOf({ assignment }: FakeContainer, startedAt: number): number | undefined {
    const { random } = this.#options;
    const { Image } = assignment.template.ContainerSpec;
    const [name = '', kind] = Image.split(':');
    if (name === 'bad')
      return startedAt + (kind === 'early' ? random.between(1, 400) : random.between(500, 8_000));
    return name === 'ends' || name === 'works' ? startedAt + random.between(200, 5_000) : undefined;
  }

  #endByItself(container: FakeContainer): void {
    const { Image } = container.assignment.template.ContainerSpec;
    const fails =
      Image.startsWith('bad') || (Image.endsWith('sometimes') && this.#options.random.chance(0.5));
    if (fails) this.#end(container, 'failed', 'task: non-zero exit (1)');
    else this.#end(container, 'complete', '');
  }

  #end(container: FakeContainer, state: TaskState, err: string): void {
    container.step?.cancel();
    container.alive = false;
    const { startedAt } = container.status;
    container.status = { ...this.#status(state, state), err, startedAt };
  }

  #status(state: TaskState, message: string): TaskStatus {
    return { state, at: this.#options.clock.now(), message, err: '' };
  }

  #report(taskIds: readonly string[]): void {
    const stream = this.#stream;
    if (stream === undefined || taskIds.length === 0) return;
    stream.sequence += 1;
    const reports = taskIds.flatMap((taskId) => {
      const container = this.#containers.get(taskId);
      if (container === undefined || container.status.state === 'assigned') return [];
      return [{ taskId, status: encode(container.status) }];
    });
    this.#send({ body: { $case: 'statuses', value: { sequence: stream.sequence, reports } } });
  }
}

const nextState: Partial<Record<TaskState, TaskState>> = {
  assigned: 'accepted',
  accepted: 'preparing',
  preparing: 'ready',
  ready: 'starting',
  starting: 'running',
};

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
