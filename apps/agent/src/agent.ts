import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  channelCredentials,
  clockProblem,
  type Identity,
  type ManagerAddress,
  nodeTlsInfo,
  requestCertificate,
  type TlsInfo,
} from '@shoal/pki';
import type { PathCheck, PathResults, SwarmView } from '@shoal/proto';
import {
  type Clock,
  type Logger,
  type Monotonic,
  parseHostPort,
  type Random,
  type Timer,
} from '@shoal/runtime';
import type { HostEncryption, NodeDescription, OwnNode, TaskStatus } from '@shoal/state';
import { followAddress, namedPlaces } from './advertised.ts';
import { CertificateKeeper } from './certificate/keeper.ts';
import type { Engine } from './executor/engine.ts';
import { DocumentSource } from './files/document-source.ts';
import { memoryFolder } from './files/memory-folder.ts';
import { TaskFiles } from './files/task-files.ts';
import type { HostImages } from './images/host-images.ts';
import { LogPublisher } from './logs/publisher.ts';
import type { AgentMetrics } from './metrics.ts';
import type { HostNetworking } from './network/host-networking.ts';
import { noNetworking } from './network/task-networking.ts';
import { Dispatchers } from './session/dispatchers.ts';
import { Reporter } from './session/reporter.ts';
import { dispatcherClient, Session } from './session/session.ts';
import { LoadMeter, type LoadMeterOptions, type Measured } from './usage/load-meter.ts';
import type { StatusStore } from './worker/status-store.ts';
import { Worker } from './worker/worker.ts';

/** How often the host's description is looked at again, milliseconds. */
const describeEveryMs = 20_000;
/** Pause before the engine is asked again while no description is known, milliseconds. */
const describeRetryMs = 500;
/**
 * Ceiling of the pause between sessions, milliseconds: doubled from the first up to the longest. To the
 * own host's dispatcher no crowd of agents goes, so the agent is there soon after it is back.
 */
const backoffMs = { first: 100, mostToOwn: 1_000, most: 8_000 } as const;
/** A session that ended over what cannot be read counts as so many that came to nothing: it waits the longest. */
const failuresOfUnreadable = 10;

/** A session that ends sooner was none: of two hosts with one identity each ends that of the other; milliseconds. */
const settledMs = 5_000;

/** Time between heartbeats until a dispatcher has said it, milliseconds. */
const heartbeatMsDefault = 5_000;
/** Heartbeats for which an engine may be away: a restart of it takes less. */
const absencePeriods = 3;

/** Where the statuses are kept, under the data directory. */
export function statusFile(dataDir: string): string {
  return join(dataDir, 'agent', 'tasks.json');
}

export interface AgentOptions {
  readonly identity: Identity;
  /** Changes the identity on disk. */
  readonly updateIdentity: (change: (identity: Identity) => Identity) => Promise<Identity>;
  /** Whether the host has the address. */
  readonly isOwnAddress: (address: string) => boolean;
  readonly engine: Engine;
  readonly store: StatusStore;
  /** Absent: a host without overlay networks. Closed by its owner. */
  readonly networking?: HostNetworking | undefined;
  /** Absent: images come from registries alone. Ends with the agent. */
  readonly images?: Pick<HostImages, 'fetch' | 'session' | 'onChange' | 'stop'> | undefined;
  /** What a container has used; absent: nothing is measured here, and no task scaled by it. */
  readonly usageOf?: LoadMeterOptions['usageOf'] | undefined;
  /** Absent: a host that cannot take part in encrypted networks. */
  readonly encryption?: HostEncryption | undefined;
  /** Where sockets are, and where it is in memory the files that tasks are given. */
  readonly runDir: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

/** The agent of one node: keeps a session with some dispatcher, and the tasks it is told of. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #dispatchers: Dispatchers;
  readonly #reporter = new Reporter();
  readonly #logs: LogPublisher;
  readonly #certificates: CertificateKeeper;
  readonly #documents: DocumentSource;
  readonly #files: TaskFiles;
  #identity: Identity;
  #issuer: { readonly of: Identity; readonly info: Promise<TlsInfo> } | undefined;
  #worker: Worker | undefined;
  #description: NodeDescription | undefined;
  readonly #meter: LoadMeter | undefined;
  #session: Session | undefined;
  #sessionId = '';
  #failures = 0;
  #retry: Timer | undefined;
  #describing: Timer | undefined;
  #looking: Promise<void> = Promise.resolve();
  #reportDue = false;
  #heartbeatMs = heartbeatMsDefault;
  #absence: Timer | undefined;
  /** The engine stays away: the node has no session until it answers again. */
  #engineAway = false;
  #up = false;
  #stopped = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#dispatchers = new Dispatchers(options.random);
    this.#documents = new DocumentSource(options.clock);
    this.#files = new TaskFiles({
      folder: () => memoryFolder(options.runDir),
      fetch: (taskId) => this.#documents.fetch(taskId),
    });
    this.#configureDispatchers();
    this.#logs = new LogPublisher({
      nodeId: options.identity.nodeId,
      engine: options.engine,
      container: (taskId) =>
        this.#worker?.settled === true
          ? { kind: 'known', name: this.#worker.container(taskId) }
          : { kind: 'unknown' },
      logger: options.logger,
      metrics: options.metrics,
    });
    this.#certificates = new CertificateKeeper({
      identity: options.identity,
      request: (addresses, proof) =>
        requestCertificate({ addresses, proof, clock: options.clock, tries: 1 }),
      update: options.updateIdentity,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
    });
    const { usageOf, clock } = options;
    const measured = (): readonly Measured[] => this.#worker?.measured ?? [];
    const tell = (taskId: string): void => this.#measured(taskId);
    this.#meter = usageOf && new LoadMeter({ measured, usageOf, tell, clock });
    options.metrics.sessionUp(false);
    void this.#describe();
    options.images?.onChange(() => void this.#look());
  }

  /** Whether a session is open, and what is missing if not. */
  get health(): { readonly ready: boolean; readonly detail: string } {
    if (this.#description === undefined) return { ready: false, detail: 'waits for the engine' };
    if (this.#engineAway) {
      return { ready: false, detail: 'the engine cannot be reached: no session until it answers' };
    }
    if (!this.#up) {
      const problem = clockProblem(this.#identity.certificate, this.#options.clock.now());
      return { ready: false, detail: problem ?? 'waits for a dispatcher' };
    }
    const engine = this.#worker?.engineSeen === true;
    return { ready: engine, detail: engine ? '' : 'the engine cannot be reached' };
  }

  get worker(): Worker | undefined {
    return this.#worker;
  }

  /** A new certificate, or other managers. */
  renew(identity: Identity): void {
    const before = this.#identity;
    this.#identity = identity;
    this.#configureDispatchers();
    this.#certificates.changed(identity);
    const same =
      before.certificate === identity.certificate &&
      before.caCertificate === identity.caCertificate;
    if (same) return;
    void this.#describeNow();
    // Who was turned away with the old certificate need not wait.
    if (this.#session !== undefined || this.#retry === undefined) return;
    this.#retry.cancel();
    this.#failures = 0;
    this.#open();
  }

  /** Lets go of everything; containers run on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    this.#describing?.cancel();
    this.#absence?.cancel();
    this.#meter?.stop();
    this.#certificates.stop();
    this.#logs.cancelAll();
    this.#options.images?.stop();
    this.#session?.end('the agent stops');
    await this.#worker?.stop();
    this.#options.metrics.sessionUp(undefined);
  }

  #configureDispatchers(): void {
    const { dispatcherAddr, managers } = this.#identity;
    this.#dispatchers.configure(dispatcherAddr, this.#others(managers));
  }

  /** Dispatchers but the own one, which other hosts know by another address. */
  #others(managers: readonly Pick<ManagerAddress, 'nodeId' | 'dispatcherAddr'>[]): string[] {
    const { nodeId, dispatcherAddr: own } = this.#identity;
    const ownPort = parseHostPort(own)?.port;
    const isOwn = (one: (typeof managers)[number]): boolean =>
      one.nodeId === nodeId && parseHostPort(one.dispatcherAddr)?.port === ownPort;
    return managers.flatMap((one) =>
      one.dispatcherAddr === '' || isOwn(one) ? [] : [one.dispatcherAddr],
    );
  }

  /** Looks at the host now and every {@link describeEveryMs}. */
  async #describe(): Promise<void> {
    await this.#look();
    if (this.#stopped) return;
    const delayMs = this.#description === undefined ? describeRetryMs : describeEveryMs;
    this.#describing = this.#options.clock.after(delayMs, () => void this.#describe());
  }

  /** One look after the other: the last to be asked for is the newest. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookNow());
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    if (this.#stopped) return;
    const { engine, logger } = this.#options;
    const described = await engine.describe();
    if (this.#stopped) return;
    if (described.kind === 'failed') {
      logger.warn({ reason: described.failure.message }, 'engine_not_described');
      return;
    }
    const TLSInfo = await this.#tlsInfo();
    if (this.#stopped) return;
    const places = namedPlaces(this.#identity);
    const { encryption } = this.#options;
    const Encryption = encryption === undefined ? {} : { Encryption: encryption };
    this.#described({ ...described.value, ...places, ...Encryption, TLSInfo });
  }

  /** The proof of the node changed: the managers wait to hear of it. */
  async #describeNow(): Promise<void> {
    const description = this.#description;
    if (description === undefined) return;
    const TLSInfo = await this.#tlsInfo();
    if (!this.#stopped) this.#described({ ...(this.#description ?? description), TLSInfo });
  }

  /** Read anew only when the identity is another: to read certificates takes milliseconds. */
  #tlsInfo(): Promise<TlsInfo> {
    const identity = this.#identity;
    if (this.#issuer?.of !== identity) this.#issuer = { of: identity, info: nodeTlsInfo(identity) };
    return this.#issuer.info;
  }

  #described(description: NodeDescription): void {
    const first = this.#description === undefined;
    if (isDeepStrictEqual(this.#description, description)) return;
    this.#description = description;
    if (!first) {
      this.#session?.describe(description);
      return;
    }
    const { engine, store, clock, logger, metrics } = this.#options;
    this.#worker = new Worker({
      nodeId: this.#identity.nodeId,
      engine,
      store,
      networking: this.#options.networking ?? noNetworking,
      fetch: this.#options.images?.fetch,
      files: this.#files,
      node: () => this.#description ?? description,
      clock,
      logger,
      metrics,
      onStatus: (taskId, status, mayWait) => this.#tell(taskId, status, mayWait),
      onEngine: (isSeen) => this.#engineSeen(isSeen),
    });
    this.#open();
  }

  /** What a task uses is told with its status, and is no part of it otherwise. */
  #tell(taskId: string, status: TaskStatus, mayWait: boolean): void {
    const load = status.state === 'running' ? this.#meter?.load(taskId) : undefined;
    this.#reporter.put(taskId, load === undefined ? status : { ...status, load }, mayWait);
    this.#report();
  }

  #measured(taskId: string): void {
    const status = this.#worker?.statuses.get(taskId);
    if (status?.state === 'running') this.#tell(taskId, status, true);
  }

  /** A host whose engine stays away runs nothing: with its session it gives its tasks to other hosts. */
  #engineSeen(isSeen: boolean): void {
    const { clock, logger } = this.#options;
    this.#absence?.cancel();
    if (!isSeen) {
      this.#absence = clock.after(absencePeriods * this.#heartbeatMs, () => {
        this.#engineAway = true;
        logger.warn({}, 'engine_away');
        this.#session?.end('the engine cannot be reached');
      });
      return;
    }
    if (!this.#engineAway) return;
    this.#engineAway = false;
    this.#failures = 0;
    if (this.#session === undefined && this.#retry === undefined) this.#open();
  }

  /** Statuses that come in the same turn of the event loop go together. */
  #report(): void {
    if (this.#reportDue) return;
    this.#reportDue = true;
    queueMicrotask(() => {
      this.#reportDue = false;
      this.#session?.report();
    });
  }

  #open(): void {
    this.#retry = undefined;
    if (this.#engineAway) return;
    const { networking, clock, logger, version, metrics } = this.#options;
    const address = this.#dispatchers.next();
    const description = this.#description;
    if (this.#stopped || description === undefined) return;
    if (address === undefined) {
      this.#openLater('no dispatcher is known');
      return;
    }
    let registeredAt: Monotonic | undefined;
    this.#session = new Session({
      client: dispatcherClient(address, channelCredentials(this.#identity)),
      previousSession: this.#sessionId,
      description,
      version,
      reporter: this.#reporter,
      clock,
      logger,
      events: {
        registered: (sessionId, client, heartbeatMs) => {
          this.#sessionId = sessionId;
          this.#heartbeatMs = heartbeatMs;
          registeredAt = clock.monotonic();
          this.#up = true;
          this.#dispatchers.worked();
          metrics.sessionOpened();
          metrics.sessionUp(true);
          logger.info({ session: sessionId, dispatcher: address }, 'session_registered');
          networking?.session(client);
          this.#documents.session(client);
          this.#options.images?.session(client);
          this.#serves();
        },
        networks: (networks) => networking?.wanted(networks),
        networkRecords: (networkId, records) => networking?.told(networkId, records),
        pathsWanted: (check) => void this.#checkPaths(check),
        swarm: (view, node) => this.#swarm(view, node),
        assigned: (complete, assignments, removed) => {
          if (complete) this.#worker?.assignAll(assignments);
          else this.#worker?.assign(assignments, removed);
        },
        logsWanted: (client, subscription) => this.#logs.publish(client, subscription),
        logsCancelled: (id) => this.#logs.cancel(id),
        ended: (reason, unreadable) => {
          this.#session = undefined;
          this.#up = false;
          networking?.session(undefined);
          this.#documents.session(undefined);
          this.#options.images?.session(undefined);
          metrics.sessionUp(false);
          this.#logs.cancelAll();
          this.#dispatchers.failed(address);
          const wasSettled =
            registeredAt !== undefined && clock.monotonic() - registeredAt >= settledMs;
          if (wasSettled) this.#failures = 0;
          // It registered, and would at once again.
          if (unreadable) this.#failures = Math.max(this.#failures, failuresOfUnreadable);
          this.#openLater(reason, address);
        },
      },
    });
  }

  async #checkPaths(check: PathCheck): Promise<void> {
    const none: PathResults = { id: check.id, results: [] };
    const results = (await this.#options.networking?.check(check)) ?? none;
    this.#session?.paths(results);
  }

  /** The dispatcher hears what is served here: now, and whenever that changes. */
  #serves(): void {
    const digests = this.#options.networking?.digests;
    if (digests === undefined) return;
    digests.onReport((report) => this.#session?.digests(report));
    this.#session?.digests(digests.now());
  }

  #openLater(reason: string, address?: string): void {
    if (this.#stopped || this.#engineAway) return;
    const { clock, random, logger } = this.#options;
    const isOwn = address === this.#identity.dispatcherAddr;
    const mostMs = isOwn ? backoffMs.mostToOwn : backoffMs.most;
    const ceilingMs = Math.min(backoffMs.first * 2 ** Math.min(this.#failures, 10), mostMs);
    const delayMs = Math.round(ceilingMs * (0.5 + 0.5 * random.next()));
    this.#failures += 1;
    logger.info({ reason, dispatcher: address, delayMs }, 'session_lost');
    this.#retry = clock.after(delayMs, () => this.#open());
  }

  #swarm(view: SwarmView, node: OwnNode): void {
    this.#options.networking?.swarm(view, node);
    this.#dispatchers.told(this.#others(view.managers));
    this.#certificates.told({ node, view });
    followAddress(this.#options, this.#identity, node);
  }
}
