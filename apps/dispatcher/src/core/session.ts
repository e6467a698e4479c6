import { isDeepStrictEqual } from 'node:util';
import type { DispatcherMessage, SwarmView } from '@shoal/proto';
import type { Logger } from '@shoal/runtime';
import type { NodeDescription, StateView, TaskAssignment } from '@shoal/state';
import { AssignmentSet, type OpenRegistryAuth } from './assignments.ts';
import type { DispatcherMetrics } from './metrics.ts';
import { Acknowledgements } from './status-reports.ts';

/** Why a session was refused or ended. */
export interface Refusal {
  readonly kind: 'invalid' | 'not-found' | 'conflict' | 'exhausted' | 'unavailable' | 'replaced';
  readonly message: string;
}

/** The way to one agent. */
export interface AgentLink {
  /** False when the agent is slow to read: wait for `Session.drained` with what can wait. */
  send(message: DispatcherMessage): boolean;
  close(reason: Refusal): void;
}

export interface SessionOptions {
  readonly id: string;
  readonly nodeId: string;
  readonly addr: string;
  readonly description: NodeDescription;
  readonly link: AgentLink;
  readonly openRegistryAuth: OpenRegistryAuth;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** One agent's session as the dispatcher holds it. */
export class Session {
  readonly id: string;
  readonly nodeId: string;
  readonly addr: string;
  readonly acknowledgements = new Acknowledgements();
  description: NodeDescription;
  /** What the node says of itself is written, or about to be. */
  isPresented = false;
  readonly #options: SessionOptions;
  readonly #set: AssignmentSet;
  #resultsIn = 0;
  #busy = false;
  #flushDue = false;
  #closed = false;
  #started = false;
  #swarm: SwarmView | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.nodeId = options.nodeId;
    this.addr = options.addr;
    this.description = options.description;
    this.#set = new AssignmentSet(options.nodeId);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The agent has yet to read what was sent. */
  get busy(): boolean {
    return this.#busy;
  }

  send(message: DispatcherMessage): void {
    if (this.#closed) return;
    if (!this.#options.link.send(message)) this.#busy = true;
  }

  /** First message of the session. */
  sendRegistered(heartbeatMs: number, swarm: SwarmView): void {
    this.#swarm = swarm;
    this.send({ body: { $case: 'registered', value: { sessionId: this.id, heartbeatMs, swarm } } });
  }

  /** Says it if it is news. */
  sendSwarm(swarm: SwarmView): void {
    if (isDeepStrictEqual(swarm, this.#swarm)) return;
    this.#swarm = swarm;
    this.send({ body: { $case: 'swarm', value: swarm } });
  }

  /** First message with assignments: all of them. */
  sendComplete(view: StateView): void {
    const { openRegistryAuth } = this.#options;
    const { assignments } = this.#set.complete(view, openRegistryAuth);
    this.#started = true;
    this.#sendAssignments(true, assignments, []);
  }

  touch(taskId: string): void {
    this.#set.touch(taskId);
  }

  /** Sends what changed: at once, or as soon as the agent has read what was sent before. */
  flush(view: StateView): void {
    if (this.#closed || !this.#started) return;
    if (this.#busy) {
      this.#flushDue = true;
      return;
    }
    this.#flushDue = false;
    const { assignments, removed } = this.#set.difference(view, this.#options.openRegistryAuth);
    if (assignments.length + removed.length > 0) this.#sendAssignments(false, assignments, removed);
  }

  drained(view: StateView): void {
    this.#busy = false;
    if (this.#flushDue) this.flush(view);
  }

  acknowledge(): void {
    const sequence = this.acknowledgements.take();
    if (sequence !== undefined) this.send({ body: { $case: 'statuses', value: { sequence } } });
  }

  close(reason: Refusal): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.link.close(reason);
  }

  /** The agent's side has ended the stream. */
  ended(): void {
    this.#closed = true;
  }

  #sendAssignments(
    complete: boolean,
    assignments: readonly TaskAssignment[],
    removed: readonly string[],
  ): void {
    const appliesTo = this.#resultsIn;
    this.#resultsIn += 1;
    this.#options.metrics.assignments(assignments.length, removed.length);
    this.send({
      body: {
        $case: 'assignments',
        value: {
          complete,
          appliesTo,
          resultsIn: this.#resultsIn,
          assignments: assignments.map((assignment) => ({
            taskId: assignment.taskId,
            task: Buffer.from(JSON.stringify(assignment)),
          })),
          removed: [...removed],
        },
      },
    });
  }
}
