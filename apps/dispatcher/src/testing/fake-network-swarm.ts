import { impliedRecords, type NodeNetwork, servedDigest } from '@shoal/overlay';
import type {
  DispatcherMessage,
  NetworkDigest,
  PathCheck,
  PathResults,
  Register,
} from '@shoal/proto';
import { type Clock, type Instant, silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog, settle } from '@shoal/stage/testing';
import {
  type EndpointRecord,
  type Node,
  revisionId,
  type Sealed,
  type Task,
  type TaskAssignment,
  type TaskState,
} from '@shoal/state';
import { Dispatcher } from '../core/dispatcher.ts';
import { noMetrics } from '../core/metrics.ts';
import type { AgentLink, Session } from '../core/session.ts';
import { description } from './fake-agent.ts';

export const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
export const stepMs = 100;

/** A swarm in a log, for the networks' side of a dispatcher. */
export class NetworkSwarm {
  readonly clock = new FakeClock();
  readonly log = new FakeLog({ clock: this.clock, random: systemRandom });
  /** Kinds of drift that were repaired, in order. */
  readonly repairs: string[] = [];

  constructor() {
    this.addNetwork('net', { Attachable: true });
    this.addService();
    for (const id of ['n1', 'n2']) this.addNode(id);
  }

  addNetwork(id: string, more: object = {}): void {
    const number = this.log.view.networks.size + 1;
    const base = { Name: id, Labels: {}, Driver: 'overlay', Internal: false, Attachable: false };
    const spec = { ...base, Ingress: false, Predefined: false, ...more };
    const subnet = {
      subnet: `10.0.${number}.0/24`,
      gateway: `10.0.${number}.1`,
      vni: 4_096 + number,
    };
    const allocation = { subnets: [subnet], at: 0 as Instant };
    this.log.write([{ op: 'create', table: 'network', object: { id, meta, spec, allocation } }]);
  }

  addService(): void {
    const spec = {
      Name: 'web',
      Labels: {},
      TaskTemplate: {
        ContainerSpec: { Image: 'i' },
        Networks: [{ Target: 'net', Aliases: ['www'] }],
        ForceUpdate: 0,
      },
      Mode: { Replicated: { Replicas: 1 } },
    };
    const endpoint = {
      revision: 1,
      ports: [],
      virtualIps: [{ networkId: 'net', addr: '10.0.1.9/24' }],
    };
    this.log.write([
      {
        op: 'create',
        table: 'service',
        object: { id: 's', meta, name: 'web', revision: 1, endpoint },
      },
      {
        op: 'create',
        table: 'revision',
        object: { id: revisionId('s', 1), meta, serviceId: 's', number: 1, spec },
      },
    ]);
  }

  /** The service's only virtual address. */
  giveVirtualIp(addr: string): void {
    const service = this.log.view.services.get('s');
    if (service === undefined) throw new Error('no service');
    const endpoint = { ...service.endpoint, virtualIps: [{ networkId: 'net', addr }] };
    this.log.write([{ op: 'update', table: 'service', object: { ...service, endpoint } }]);
  }

  addNode(id: string): void {
    const object: Node = {
      id,
      meta,
      spec: { Labels: {}, Role: 'worker', Availability: 'active' },
      role: 'worker',
      status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
    };
    this.log.write([{ op: 'create', table: 'node', object }]);
  }

  addTask(id: string, host: number, nodeId: string, state: TaskState = 'running'): void {
    const task: Task = {
      id,
      meta,
      serviceId: 's',
      slot: host,
      nodeId,
      revision: 1,
      desired: 'running',
      status: { state, at: 0 as Instant, message: '', err: '' },
      networks: [{ networkId: 'net', addresses: [`10.0.1.${host}/24`] }],
    };
    this.log.write([{ op: 'create', table: 'task', object: task }]);
  }

  move(id: string, state: TaskState, desired: TaskState = 'running'): void {
    const task = this.log.view.tasks.get(id);
    if (task === undefined) throw new Error(`no task ${id}`);
    const status = { ...task.status, state };
    this.log.write([{ op: 'update', table: 'task', object: { ...task, status, desired } }]);
  }

  start(instance = '0', clock: Clock = this.clock) {
    const lease = new FakeLease(this.log, {
      id: `dispatcher@m/${instance}`,
      stage: 'dispatcher',
      nodeId: 'm',
      address: '192.0.2.9:2378',
    });
    lease.reclaim();
    return new Dispatcher({
      replica: this.log.replica(),
      lease,
      openRegistryAuth: () => undefined,
      keySeal: {
        open: ({ sealed }, place) => {
          const [at, hex] = sealed.split(' ');
          return at === place ? Buffer.from(hex ?? '', 'hex') : undefined;
        },
        seal: (plain, place): Sealed => ({
          sealed: `${place} ${Buffer.from(plain).toString('hex')}`,
        }),
      },
      clock,
      random: { bytes: (count) => systemRandom.bytes(count), next: () => 0.5 },
      logger: silentLogger,
      metrics: { ...noMetrics, networkRepair: (kind) => this.repairs.push(kind) },
    });
  }

  addCluster(heartbeatSeconds = 5): void {
    const object = {
      id: 'c',
      meta,
      spec: { Dispatcher: { HeartbeatPeriod: heartbeatSeconds * 1e9 }, TaskDefaults: {} },
      rootCa: { certificate: '' },
      defaultAddressPool: [],
      subnetSize: 24,
      dataPathPort: 4_789,
    };
    this.log.write([{ op: 'create', table: 'cluster', object: object as never }]);
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) await this.clock.advance(stepMs);
  }

  /** The digest of what the log implies. */
  right(): string {
    return servedDigest(impliedRecords(this.log.view, 'net'), 'names');
  }

  /** Numbers of the keys in the ring. */
  ring(): readonly number[] | undefined {
    return this.log.view.cluster?.networkKeys?.keys.map(({ time }) => time);
  }
}

type Body<K extends string> = Extract<NonNullable<DispatcherMessage['body']>, { $case: K }>;

/** The networks' side of an agent: notes what it is told. */
export class FakeHost implements AgentLink {
  readonly nodeId: string;
  /** It does not read what is sent until `drain`. */
  slow = false;
  readonly #messages: DispatcherMessage[] = [];
  #session: Session | undefined;
  #dispatcher: Dispatcher | undefined;

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }

  async register(dispatcher: Dispatcher, previousSession = ''): Promise<void> {
    const message: Register = {
      previousSession,
      description: Buffer.from(JSON.stringify(description)),
      agentVersion: '0',
    };
    this.#dispatcher = dispatcher;
    const addr = `192.0.2.${this.nodeId.slice(1)}`;
    const outcome = await dispatcher.register(this.nodeId, addr, message, this);
    if (outcome.kind === 'refused') throw new Error(outcome.refusal.message);
    this.#session = outcome.session;
    await settle();
  }

  send(message: DispatcherMessage): boolean {
    this.#messages.push(message);
    return !this.slow;
  }

  drain(): void {
    this.slow = false;
    if (this.#session !== undefined) this.#dispatcher?.drained(this.#session);
  }

  close(): void {}

  /** What came since the last call. */
  #of<K extends string>(kind: K): Body<K>['value'][] {
    return this.#messages.flatMap(({ body }) =>
      body?.$case === kind ? [(body as Body<K>).value] : [],
    ) as Body<K>['value'][];
  }

  forget(): void {
    this.#messages.length = 0;
  }

  get networks(): readonly NodeNetwork[] | undefined {
    return this.#of('networks')
      .at(-1)
      ?.networks.map((each) => JSON.parse(each.toString()));
  }

  get lists(): number {
    return this.#of('networks').length;
  }

  /** Ids of networks whose records came, in order. */
  get told(): readonly string[] {
    return this.#of('networkRecords').map(({ networkId }) => networkId);
  }

  get records(): readonly EndpointRecord[] | undefined {
    return this.#of('networkRecords')
      .at(-1)
      ?.records.map((each) => JSON.parse(each.toString()));
  }

  get assignments(): readonly TaskAssignment[] {
    return this.#of('assignments').flatMap(({ assignments }) =>
      assignments.map(({ task }) => JSON.parse(task.toString()) as TaskAssignment),
    );
  }

  get gossipKeys(): readonly Buffer[] | undefined {
    const views = this.#messages.flatMap(({ body }) => {
      if (body?.$case === 'swarm') return [body.value];
      return body?.$case === 'registered' ? [body.value.swarm] : [];
    });
    return views.at(-1)?.gossipKeys;
  }

  get pathChecks(): readonly PathCheck[] {
    return this.#of('pathCheck');
  }

  found(value: PathResults): void {
    if (this.#session === undefined) throw new Error('no session');
    this.#dispatcher?.receive(this.#session, { body: { $case: 'pathResults', value } });
  }

  serves(digests: readonly Partial<NetworkDigest>[], attachments?: readonly string[]): void {
    if (this.#session === undefined) throw new Error('no session');
    const none = { networkId: 'net', names: '', balancer: '', peers: '', problems: [] };
    this.#dispatcher?.receive(this.#session, {
      body: {
        $case: 'networkDigests',
        value: {
          digests: digests.map((digest) => ({ ...none, ...digest })),
          attachments: [...(attachments ?? [])],
          attachmentsKnown: attachments !== undefined,
        },
      },
    });
  }
}
