import { availableParallelism, networkInterfaces } from 'node:os';
import type { LinkMetrics } from '@shoal/link';
import { Engine, parseEngineAddress } from '@shoal/link/proxy';
import { type Identity, IdentityFollower, type IdentityState, updateIdentity } from '@shoal/pki';
import { invariant, type Logger, pause } from '@shoal/runtime';
import { Agent, type AgentOptions } from './agent.ts';
import type { Context } from './config.ts';
import { DockerEngine } from './executor/docker-engine.ts';
import { memoryFolder } from './files/memory-folder.ts';
import { TaskFiles } from './files/task-files.ts';
import { gossipPort } from './gossip/host-gossip.ts';
import { HostImages } from './images/host-images.ts';
import type { ImageMemory } from './images/image-memory.ts';
import type { ImageMetrics } from './images/image-metrics.ts';
import { ContainerRoute } from './link/container-route.ts';
import type { ContainerRouteMetrics } from './link/metrics.ts';
import { type LinkDoor, NodeLink } from './link/node-link.ts';
import type { AgentMetrics } from './metrics.ts';
import type { NetworkHost } from './network/network-host.ts';
import type { StatusStore } from './worker/status-store.ts';
import { removeAll } from './worker/worker.ts';

/** Pause before containers of a left swarm are looked for again, milliseconds. */
const leaveRetryMs = 1_000;
/** So long a host that leaves insists where its engine refuses to remove a container, milliseconds. */
const leaveRefusedMsMax = 120_000;

const bytesPerMegabyte = 1_000_000;

function isOwnAddress(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return own.some((each) => each.address === address);
}

/** What the host answers to other hosts, and counts of it. */
interface LinkParts {
  readonly door: LinkDoor;
  readonly metrics: LinkMetrics;
  readonly containers: ContainerRouteMetrics;
}

/** What the host knows of images that came from others, and counts of them. */
interface ImageParts {
  readonly notes: ImageMemory;
  readonly metrics: ImageMetrics;
}

/** Follows the host's identity: an agent while there is one, nothing of ours left when it is gone. */
export class Host {
  readonly #context: Context;
  readonly #store: StatusStore;
  readonly #engine: DockerEngine;
  readonly #metrics: AgentMetrics;
  readonly #networks: NetworkHost;
  readonly #link: LinkParts;
  readonly #imageMetrics: ImageMetrics;
  readonly #usageOf: AgentOptions['usageOf'];
  readonly #identity: IdentityFollower;
  #nodeLink: NodeLink | undefined;
  #agent: { readonly agent: Agent; readonly nodeId: string } | undefined;
  #reason = 'the host is in no swarm';
  #leaving = false;

  constructor(
    context: Context,
    store: StatusStore,
    metrics: AgentMetrics,
    networks: NetworkHost,
    link: LinkParts,
    images: ImageParts,
    usageOf: AgentOptions['usageOf'],
  ) {
    this.#usageOf = usageOf;
    this.#context = context;
    this.#link = link;
    this.#imageMetrics = images.metrics;
    this.#store = store;
    this.#metrics = metrics;
    this.#networks = networks;
    this.#engine = new DockerEngine({
      address: context.config.engine,
      processors: availableParallelism(),
      observe: this.#metrics.engineCall,
      clock: context.clock,
      networks: networks.containers,
      imageNotes: images.notes,
    });
    this.#identity = new IdentityFollower({
      dataDir: context.config.dataDir,
      clock: context.clock,
      become: (state) => this.#become(state),
      onFatal: (error) => context.fail(error),
    });
  }

  /** Whose tasks run here; undefined while the host is in no swarm. */
  get nodeId(): string | undefined {
    return this.#agent?.nodeId;
  }

  get health() {
    const agent = this.#agent?.agent;
    if (agent === undefined) {
      return { ready: true, healthy: true, role: this.#idleRole, detail: this.#reason };
    }
    return { ...agent.health, healthy: true, role: 'active' };
  }

  /** Only who stands by has nothing of a swarm left on this host: the api waits for that. */
  get #idleRole(): 'locked' | 'leaving' | 'standby' {
    if (this.#identity.wanted.kind === 'locked') return 'locked';
    return this.#leaving ? 'leaving' : 'standby';
  }

  async stop(): Promise<void> {
    await this.#identity.stop();
    await this.#endAgent();
    await this.#networks.close();
  }

  async #become(state: IdentityState): Promise<void> {
    if (state.kind === 'broken') {
      // What runs goes on: a half-written renewal is no leave.
      this.#reason = state.reason;
      return this.#context.logger.error({ reason: state.reason }, 'identity_broken');
    }
    if (state.kind === 'locked') return this.#standBy();
    const identity = state.kind === 'complete' ? state.identity : undefined;
    if (identity !== undefined && this.#agent?.nodeId === identity.nodeId) {
      this.#networks.renew(identity);
      this.#nodeLink?.renew(identity);
      return this.#agent.agent.renew(identity);
    }
    await this.#endAgent();
    this.#reason = 'the host is in no swarm';
    if (this.#store.nodeId !== '' && this.#store.nodeId !== identity?.nodeId) {
      await this.#leave(this.#store.nodeId);
    }
    if (this.#identity.stopped) return;
    if (identity === undefined) this.#networks.standAlone();
    else await this.#begin(identity);
  }

  /** The swarm's containers go on while its keys are locked away. */
  async #standBy(): Promise<void> {
    await this.#endAgent();
    this.#reason = 'the swarm is locked: docker swarm unlock';
  }

  async #endAgent(): Promise<void> {
    this.#link.door.leadTo(undefined);
    this.#nodeLink?.close();
    this.#nodeLink = undefined;
    await this.#agent?.agent.stop();
    this.#agent = undefined;
  }

  async #begin(identity: Identity): Promise<void> {
    const { version, clock, random, logger } = this.#context;
    const metrics = this.#metrics;
    const engine = this.#engine;
    const store = this.#store;
    const { nodeId } = identity;
    const log = logger.child({ node: nodeId });
    const { dataDir, runDir } = this.#context.config;
    const update: AgentOptions['updateIdentity'] = (change) =>
      updateIdentity(dataDir, identity, change);
    const networking = await this.#networks.begin(identity);
    if (this.#identity.stopped) return;
    const link = this.#openLink(identity);
    this.#nodeLink = link;
    const images = this.#shareImages(link, log);
    const { encryption } = this.#networks;
    const parts = { identity, engine, store, version, clock, random, logger: log, metrics };
    this.#agent = {
      agent: new Agent({
        ...parts,
        networking,
        images,
        encryption,
        usageOf: this.#usageOf,
        runDir,
        updateIdentity: update,
        isOwnAddress,
      }),
      nodeId,
    };
  }

  /** From now on other hosts of the cluster are answered. */
  #openLink(identity: Identity): NodeLink {
    const { clock, logger, config } = this.#context;
    const { door, metrics, containers } = this.#link;
    const { nodeId } = identity;
    const log = logger.child({ node: nodeId });
    const link = new NodeLink(identity, { clock, logger: log, metrics });
    const address = parseEngineAddress(config.engine);
    invariant(address !== undefined, 'a checked flag is not valid', { engine: config.engine });
    const handler = new ContainerRoute({
      engine: new Engine(config.engine, address, `node ${nodeId}`),
      nodeId,
      isManager: (id) => link.isManager(id),
      knows: (taskId, container) => this.#agent?.agent.worker?.owns(taskId, container) === true,
      logger: log,
      metrics: containers,
    });
    for (const root of ['containers', 'exec']) link.host.add({ root, roles: ['manager'], handler });
    door.leadTo(link.host);
    return link;
  }

  /** Other hosts get images of this one, and it gets theirs. */
  #shareImages(link: NodeLink, logger: Logger): HostImages {
    const { clock, random, config } = this.#context;
    const shared = new HostImages({
      images: this.#engine.images,
      link: link.client,
      port: gossipPort,
      bytesPerSecond: config.imageShareRate * bytesPerMegabyte,
      clock,
      random,
      logger,
      metrics: this.#imageMetrics,
    });
    link.host.add(shared.route);
    return shared;
  }

  /** Takes away what a node that is no more has run here. */
  async #leave(nodeId: string): Promise<void> {
    const { clock, logger, config } = this.#context;
    const files = new TaskFiles({
      folder: () => memoryFolder(config.runDir),
      fetch: async () => [],
    });
    this.#reason = 'removes the containers of the swarm that was left';
    this.#leaving = true;
    const engine = this.#engine;
    const metrics = this.#metrics;
    const store = this.#store;
    const end = clock.monotonic() + leaveRefusedMsMax;
    for (;;) {
      if (this.#identity.stopped) return;
      const left = await removeAll(engine, files, nodeId, metrics, store);
      if (left.kind === 'nothing') break;
      logger.warn({ node: nodeId, ...left }, 'containers_not_removed');
      if (left.kind === 'refused' && clock.monotonic() >= end) break;
      await pause(clock, leaveRetryMs);
    }
    if (this.#identity.stopped) return;
    await files.keepOnly(new Set());
    await this.#networks.remove(nodeId);
    await this.#store.clear();
    this.#leaving = false;
    this.#reason = 'the host is in no swarm';
    logger.info({ node: nodeId }, 'swarm_left');
  }
}
