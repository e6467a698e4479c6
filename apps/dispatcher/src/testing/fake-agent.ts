import type { DispatcherMessage, Register } from '@shoal/proto';
import type { NodeDescription, TaskAssignment, TaskStatus } from '@shoal/state';
import type { Dispatcher } from '../core/dispatcher.ts';
import type { AgentLink, Refusal, Session } from '../core/session.ts';

export const description: NodeDescription = {
  Hostname: 'host',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: { NanoCPUs: 1e9, MemoryBytes: 1e9 },
  Engine: { EngineVersion: '20', Plugins: [] },
};

/** The agent's end of a session without a wire: notes what it is told and checks the order. */
export class FakeAgent implements AgentLink {
  readonly nodeId: string;
  /** Desired state by task, as the assignments say. */
  readonly tasks = new Map<string, string>();
  readonly messages: DispatcherMessage[] = [];
  acknowledged = 0;
  closedBy: Refusal | undefined;
  refusedBy: Refusal | undefined;
  session: Session | undefined;
  /** What `send` answers. */
  fast = true;
  #results = 0;
  #sequence = 0;

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }

  async register(
    dispatcher: Dispatcher,
    addr = '10.0.0.1',
    described: NodeDescription = description,
  ): Promise<void> {
    this.#results = 0;
    this.#sequence = 0;
    this.acknowledged = 0;
    this.closedBy = undefined;
    this.refusedBy = undefined;
    const message: Register = {
      previousSession: '',
      description: Buffer.from(JSON.stringify(described)),
      agentVersion: '0',
    };
    const outcome = await dispatcher.register(this.nodeId, addr, message, this);
    if (outcome.kind === 'session') this.session = outcome.session;
    else this.refusedBy = outcome.refusal;
  }

  describe(dispatcher: Dispatcher, described: NodeDescription): void {
    const session = this.session;
    if (session === undefined) throw new Error('no session');
    const value = Buffer.from(JSON.stringify(described));
    dispatcher.receive(session, { body: { $case: 'description', value } });
  }

  heartbeat(dispatcher: Dispatcher): void {
    const session = this.session;
    if (session === undefined) throw new Error('no session');
    dispatcher.receive(session, { body: { $case: 'heartbeat', value: {} } });
  }

  /** Returns the sequence that will be acknowledged. */
  report(dispatcher: Dispatcher, taskId: string, status: TaskStatus): number {
    const session = this.session;
    if (session === undefined) throw new Error('no session');
    this.#sequence += 1;
    const reports = [{ taskId, status: Buffer.from(JSON.stringify(status)) }];
    const value = { sequence: this.#sequence, reports };
    dispatcher.receive(session, { body: { $case: 'statuses', value } });
    return this.#sequence;
  }

  send(message: DispatcherMessage): boolean {
    this.messages.push(message);
    const { body } = message;
    if (body?.$case === 'statuses') this.acknowledged = body.value.sequence;
    if (body?.$case !== 'assignments') return this.fast;
    const { complete, appliesTo, resultsIn, assignments, removed } = body.value;
    if (complete) this.tasks.clear();
    else if (appliesTo !== this.#results) throw new Error(`a gap before ${resultsIn}`);
    this.#results = resultsIn;
    for (const { taskId, task } of assignments) {
      this.tasks.set(taskId, (JSON.parse(task.toString()) as TaskAssignment).desired);
    }
    for (const taskId of removed) this.tasks.delete(taskId);
    return this.fast;
  }

  close(reason: Refusal): void {
    this.closedBy = reason;
  }
}
