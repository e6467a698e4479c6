import { Server, type ServerDuplexStream } from '@grpc/grpc-js';
import { type Proof, peerOf, serverCredentials } from '@shoal/pki';
import {
  type AgentMessage,
  type DispatcherMessage,
  DispatcherService,
  type SwarmView,
} from '@shoal/proto';
import type { NodeDescription, TaskAssignment, TaskStatus } from '@shoal/state';

type Call = ServerDuplexStream<AgentMessage, DispatcherMessage>;

const heartbeatMs = 5_000;

/** A dispatcher that says what the test tells it, on a real port. */
export class FakeDispatcher {
  readonly #proof: Proof;
  readonly #calls = new Set<Call>();
  #server: Server | undefined;
  port = 0;
  assignments: readonly TaskAssignment[] = [];
  swarm: SwarmView | undefined;
  /** Registrations so far. */
  registrations = 0;
  heartbeats = 0;
  /** What a registration waits for. */
  registering = Promise.resolve();
  /** Descriptions, as they came. */
  readonly descriptions: NodeDescription[] = [];
  /** Newest status of each task, as reported. */
  readonly statuses = new Map<string, TaskStatus>();

  /** Each session ends as soon as it is registered. */
  endsSessions = false;

  constructor(proof: Proof) {
    this.#proof = proof;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get sessions(): number {
    return this.#calls.size;
  }

  async start(): Promise<void> {
    const server = new Server();
    server.addService(DispatcherService, { session: (call: Call) => this.#session(call) });
    this.port = await new Promise((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.port}`, serverCredentials(this.#proof), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    this.#server = server;
  }

  /** As a process that is killed. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#calls.clear();
  }

  #session(call: Call): void {
    if (peerOf(call) === null) throw new Error('a session without certificate');
    const over = (): void => {
      this.#calls.delete(call);
    };
    for (const event of ['error', 'cancelled', 'close']) call.on(event, over);
    call.on('end', () => call.end());
    call.on('data', (message: AgentMessage) => this.#received(call, message));
  }

  #received(call: Call, { body }: AgentMessage): void {
    switch (body?.$case) {
      case 'register':
        this.registrations += 1;
        this.#calls.add(call);
        this.descriptions.push(readDescription(body.value.description));
        void this.registering.then(() => this.#registered(call));
        return;
      case 'description':
        this.descriptions.push(readDescription(body.value));
        return;
      case 'heartbeat':
        this.heartbeats += 1;
        call.write({ body: { $case: 'heartbeat', value: { heartbeatMs } } });
        return;
      case 'statuses': {
        const { sequence, reports } = body.value;
        for (const { taskId, status } of reports)
          this.statuses.set(taskId, JSON.parse(status.toString('utf8')) as TaskStatus);
        call.write({ body: { $case: 'statuses', value: { sequence } } });
        return;
      }
    }
  }

  #registered(call: Call): void {
    const sessionId = `session-${this.registrations}`;
    const value = { sessionId, heartbeatMs, swarm: this.swarm };
    call.write({ body: { $case: 'registered', value } });
    const assignments = this.assignments.map((assignment) => ({
      taskId: assignment.taskId,
      task: Buffer.from(JSON.stringify(assignment)),
    }));
    const all = { complete: true, appliesTo: 0, resultsIn: 1, assignments, removed: [] };
    call.write({ body: { $case: 'assignments', value: all } });
    if (this.endsSessions) call.end();
  }
}

function readDescription(bytes: Buffer): NodeDescription {
  return JSON.parse(bytes.toString('utf8')) as NodeDescription;
}
