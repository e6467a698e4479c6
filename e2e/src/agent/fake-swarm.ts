import { Dispatcher, noMetrics, serveDispatcher } from '@shoal/dispatcher';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  type NodeServer,
  newSealKey,
  RenewableProof,
} from '@shoal/pki';
import { newId, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { FakeLease, FakeLog, type FakeReplica } from '@shoal/stage/testing';
import {
  type ContainerSpec,
  revisionId,
  type Service,
  type Task,
  type TaskState,
  type TaskTemplate,
} from '@shoal/state';

/** What images/build.sh makes. */
const testImage = 'busybox:latest';
const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
const loopback = { host: '127.0.0.1', port: 0 };

/** A real dispatcher on a real port in front of a log in memory; the test plays the other stages. */
export class FakeSwarm {
  readonly log: FakeLog;
  readonly identity: Identity;
  readonly #replica: FakeReplica;
  readonly #lease: FakeLease;
  #dispatcher: Dispatcher;
  #server: NodeServer;

  private constructor(
    log: FakeLog,
    identity: Identity,
    replica: FakeReplica,
    lease: FakeLease,
    dispatcher: Dispatcher,
    server: NodeServer,
  ) {
    this.log = log;
    this.identity = identity;
    this.#replica = replica;
    this.#lease = lease;
    this.#dispatcher = dispatcher;
    this.#server = server;
  }

  static async start(): Promise<FakeSwarm> {
    const log = new FakeLog({ clock: systemClock, random: systemRandom });
    const base = await newIdentity();
    log.write([
      {
        op: 'create',
        table: 'node',
        object: {
          id: base.nodeId,
          meta,
          spec: { Labels: {}, Role: 'manager', Availability: 'active' },
          role: 'manager',
          status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
        },
      },
    ]);
    const replica = log.replica();
    const lease = new FakeLease(log, {
      id: `dispatcher@${base.nodeId}/0`,
      stage: 'dispatcher',
      nodeId: base.nodeId,
      address: '',
    });
    lease.reclaim();
    const dispatcher = newDispatcher(replica, lease);
    const server = await serve(dispatcher, base, 0);
    const identity = { ...base, dispatcherAddr: `127.0.0.1:${server.port}` };
    return new FakeSwarm(log, identity, replica, lease, dispatcher, server);
  }

  get dispatcher(): Dispatcher {
    return this.#dispatcher;
  }

  /** The dispatcher dies with all its memory and another takes its address. */
  async restartDispatcher(): Promise<void> {
    const { port } = this.#server;
    await this.stop();
    this.#dispatcher = newDispatcher(this.#replica, this.#lease);
    this.#server = await serve(this.#dispatcher, this.identity, port);
  }

  async stop(): Promise<void> {
    this.#dispatcher.stop();
    await this.#server.close();
  }

  /** A service with one revision; nothing makes its tasks but `assign`. */
  service(spec: Partial<ContainerSpec>, template: Partial<TaskTemplate> = {}): string {
    const id = newId(systemRandom);
    const name = `s${id.slice(0, 6)}`;
    const service: Service = {
      id,
      meta,
      name,
      revision: 1,
      endpoint: { revision: 0, ports: [], virtualIps: [] },
    };
    const taskTemplate = {
      ContainerSpec: { Image: testImage, ...spec },
      ForceUpdate: 0,
      ...template,
    };
    const mode = { Replicated: { Replicas: 1 } };
    this.#write([
      { op: 'create', table: 'service', object: service },
      {
        op: 'create',
        table: 'revision',
        object: {
          id: revisionId(id, 1),
          meta,
          serviceId: id,
          number: 1,
          spec: { Name: name, Labels: {}, TaskTemplate: taskTemplate, Mode: mode },
        },
      },
    ]);
    return id;
  }

  /** Puts tasks of the service on the node, as orchestrator, allocator and scheduler would together. */
  assign(serviceId: string, count = 1, desired: TaskState = 'running'): string[] {
    const tasks = Array.from({ length: count }, (_, at): Task => {
      const status = { state: 'assigned', at: systemClock.now(), message: 'm', err: '' } as const;
      const [id, nodeId] = [newId(systemRandom), this.identity.nodeId];
      return { id, meta, serviceId, slot: at + 1, nodeId, revision: 1, desired, status };
    });
    this.#write(tasks.map((object) => ({ op: 'create', table: 'task', object })));
    return tasks.map(({ id }) => id);
  }

  task(id: string): Task | undefined {
    return this.log.view.tasks.get(id);
  }

  desire(id: string, desired: TaskState): void {
    const task = this.task(id);
    if (task === undefined) throw new Error(`no task ${id}`);
    this.#write([{ op: 'update', table: 'task', object: { ...task, desired } }]);
  }

  delete(id: string): void {
    const version = this.task(id)?.meta.version;
    if (version === undefined) throw new Error(`no task ${id}`);
    this.#write([{ op: 'delete', table: 'task', id, version }]);
  }

  #write(changes: Parameters<FakeLog['write']>[0]): void {
    const outcome = this.log.write(changes);
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome.refusal));
  }
}

function newDispatcher(replica: FakeReplica, lease: FakeLease): Dispatcher {
  return new Dispatcher({
    replica,
    lease,
    openRegistryAuth: () => undefined,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: noMetrics,
  });
}

function serve(dispatcher: Dispatcher, identity: Identity, port: number) {
  const source = new RenewableProof(identity);
  const listen = { ...loopback, port };
  const { clusterId } = identity;
  return serveDispatcher({ listen, source, clusterId, dispatcher, logger: silentLogger });
}

async function newIdentity(): Promise<Identity> {
  const [now, random] = [systemClock.now(), systemRandom];
  const ca = await createClusterCa(now, random);
  const { key, request } = await createNodeKey();
  const subject = { nodeId: newId(random), role: 'manager', clusterId: newId(random) } as const;
  const issued = await issueCertificate({ ca, request, subject, now, random });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return {
    ...subject,
    advertiseAddr: '127.0.0.1',
    listenAddr: '',
    logAddr: '',
    dispatcherAddr: '',
    managers: [],
    caCertificate: ca.certificate,
    certificate: issued.certificate,
    key,
    voterId: 7,
    sealKey: newSealKey(random),
    logKeys: [{ number: 1, key: newSealKey(random) }],
  };
}
