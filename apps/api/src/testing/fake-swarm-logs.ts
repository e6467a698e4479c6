import type { LogOptions } from '@shoal/docker-api';
import { type LogLine, LogStream } from '@shoal/proto';
import type { Instant, Random } from '@shoal/runtime';
import { FakeClock, FakeLog, FakeRandom } from '@shoal/stage/testing';
import { type Node, newMeta, revisionId, type Task, type TaskState } from '@shoal/state';
import { SpecHistory } from '../cluster/spec-history.ts';
import { noQuorum } from '../cluster/standing.ts';
import type { LogFollower, LogSubject } from '../logs/log-follower.ts';
import { LogHub } from '../logs/log-hub.ts';
import { logFormat } from '../logs/log-response.ts';
import type { LogMetrics } from '../logs/metrics.ts';
import { noLogMetrics } from './fake-logs.ts';
import { FakeNodeLogs } from './fake-node-logs.ts';

export const serviceId = 'svc';

const everything: LogOptions = {
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  details: false,
  tail: -1,
  since: undefined,
  until: undefined,
};

/** A client that takes bytes as fast as the test lets it. */
export class FakeClient {
  /** Everything it got, frames in order. */
  readonly frames: string[] = [];
  ended = false;
  /** While it is set, the client takes nothing more after what it is given. */
  isSlow = false;
  #full = false;
  follower: LogFollower | undefined;

  write(bytes: Uint8Array): boolean {
    const buffer = Buffer.from(bytes);
    for (let at = 0; at < buffer.length; ) {
      const end = at + 8 + buffer.readUInt32BE(at + 4);
      this.frames.push(buffer.toString('utf8', at + 8, end).trimEnd());
      at = end;
    }
    this.#full = this.isSlow;
    return !this.#full;
  }

  end(): void {
    this.ended = true;
  }

  drain(): void {
    if (!this.#full) return;
    this.#full = false;
    this.follower?.drained();
  }
}

/** A service's tasks on some nodes, their logs, and the hub through which clients read them. */
export class FakeSwarmLogs {
  readonly clock = new FakeClock();
  readonly random: Random;
  readonly log: FakeLog;
  readonly nodes: FakeNodeLogs;
  readonly hub: LogHub;
  readonly #manager;
  isManager = true;

  constructor(seed: number, bytesMax?: number, metrics: LogMetrics = noLogMetrics) {
    this.random = new FakeRandom(seed);
    const { clock, random } = this;
    this.log = new FakeLog({ clock, random });
    this.nodes = new FakeNodeLogs(clock, random);
    const endpoint = { revision: 0, ports: [], virtualIps: [] };
    const service = { id: serviceId, meta: newMeta, name: 'web', revision: 1, endpoint };
    const spec = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } } };
    const id = revisionId(serviceId, 1);
    const revision = { id, meta: newMeta, serviceId, number: 1, spec };
    const lease = { id: 'd', meta: newMeta, stage: 'dispatcher', nodeId: 'm', address: 'm:2378' };
    this.log.write([
      { op: 'create', table: 'service', object: service as never },
      { op: 'create', table: 'revision', object: revision as never },
    ]);
    this.log.write([{ op: 'create', table: 'lease', object: lease as never }], 'system');
    const replica = this.log.replica();
    const quorum = async () => noQuorum;
    const specs = new SpecHistory(replica);
    const flushAudit = async () => undefined;
    this.#manager = {
      identity: {} as never,
      sealKey: Buffer.alloc(0),
      replica,
      specs,
      quorum,
      flushAudit,
    };
    this.hub = new LogHub({
      source: this.nodes,
      isCurrent: () => this.isManager,
      clock,
      random,
      metrics,
      ...(bytesMax === undefined ? {} : { bytesMax }),
    });
  }

  addNode(id: string): void {
    const object: Node = {
      id,
      meta: newMeta,
      spec: { Labels: {}, Role: 'worker', Availability: 'active' },
      role: 'worker',
      status: { state: 'ready', message: '', addr: '', dispatcher: 'd' },
    };
    this.log.write([{ op: 'create', table: 'node', object }]);
  }

  addTask(id: string, nodeId: string, state: TaskState = 'running'): void {
    const object: Task = {
      id,
      meta: newMeta,
      serviceId,
      slot: 1,
      nodeId,
      revision: 1,
      desired: 'running',
      status: { state, at: 0 as Instant, message: state, err: '' },
    };
    this.log.write([{ op: 'create', table: 'task', object }]);
  }

  moveTask(id: string, state: TaskState): void {
    const task = this.log.view.tasks.get(id);
    if (task === undefined) throw new Error(`no task ${id}`);
    const container = { id: `c-${id}`, pid: 1, exitCode: 0 };
    const object = { ...task, status: { ...task.status, state, container } };
    this.log.write([{ op: 'update', table: 'task', object }]);
  }

  setNode(id: string, state: Node['status']['state']): void {
    const node = this.log.view.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    const object = { ...node, status: { ...node.status, state } };
    this.log.write([{ op: 'update', table: 'node', object }], 'system');
  }

  removeService(): void {
    const service = this.log.view.services.get(serviceId);
    if (service === undefined) throw new Error('no service');
    const { version } = service.meta;
    this.log.write([{ op: 'delete', table: 'service', id: serviceId, version }]);
  }

  /** A line of a task at a time of its node's clock, nanoseconds. */
  write(taskId: string, text: string, nanos: number, isError = false): void {
    const nodeId = this.log.view.tasks.get(taskId)?.nodeId ?? '';
    const time = { seconds: 1_700_000_000 + Math.floor(nanos / 1e9), nanos: nanos % 1e9 };
    const stream: LogLine['stream'] = isError ? LogStream.STDERR : LogStream.STDOUT;
    const data = Buffer.from(`${text}\n`);
    this.nodes.write({ taskId, nodeId, stream, time, data, attributes: '' });
  }

  follow(
    asked: Partial<LogOptions> = {},
    subject: LogSubject = { serviceId },
    client: FakeClient = new FakeClient(),
  ): FakeClient {
    const options = { ...everything, ...asked };
    const format = logFormat(serviceId, options, false, this.clock);
    const follower = this.hub.follow(this.#manager, { subject, options, format, sink: client });
    client.follower = follower;
    follower.start();
    return client;
  }
}
