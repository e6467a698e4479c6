import type {
  AttachContainerRequest,
  AttachContainerResponse,
  DispatcherMessage,
  NetworkDigests,
  NodeDrift,
  NodePaths,
} from '@shoal/proto';
import type { Clock, Logger, Random, Timer } from '@shoal/runtime';
import type { AppliedChange, StateView } from '@shoal/state';
import type { DispatcherMetrics } from '../core/metrics.ts';
import type { Write } from '../core/writer.ts';
import { ContainerAttachments } from './attachments.ts';
import { type KeySeal, NetworkKeyRotation } from './keys.ts';
import { driftLookMs, repairEveryMsMax } from './limits.ts';
import { PathChecks } from './path-checks.ts';
import { SessionNetworks } from './session-networks.ts';
import { concernedBy, NetworkTruth } from './truth.ts';

/** What the networks need of a session. */
export interface NetworkSession {
  readonly nodeId: string;
  /** The agent has yet to read what was sent. */
  readonly busy: boolean;
  send(message: DispatcherMessage): void;
}

export interface NetworksOptions {
  readonly view: () => StateView;
  readonly seal?: KeySeal | undefined;
  readonly add: (write: Write) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: DispatcherMetrics;
}

/** Overlay networks as far as they concern the sessions of one dispatcher. */
export class Networks {
  readonly attachments: ContainerAttachments;
  readonly keys: NetworkKeyRotation;
  readonly paths: PathChecks;
  readonly #options: NetworksOptions;
  readonly #truth: NetworkTruth;
  /** By node; each node has one session at most. */
  readonly #sessions = new Map<string, SessionNetworks>();
  readonly #links = new Map<string, NetworkSession>();
  #look: Timer | undefined;

  constructor(options: NetworksOptions) {
    const { view, clock } = options;
    this.#options = options;
    this.#truth = new NetworkTruth(view, clock);
    this.attachments = new ContainerAttachments(options);
    this.keys = new NetworkKeyRotation(options);
    this.paths = new PathChecks(options);
    this.keys.look();
    this.attachments.clear(view());
  }

  /** A session begins: its node hears of its networks, and of everybody in those that are new to it. */
  begin(session: NetworkSession, returns: boolean): void {
    const { clock, logger, metrics, view } = this.#options;
    const { nodeId } = session;
    const networks = new SessionNetworks({
      nodeId,
      returns,
      truth: this.#truth,
      clock,
      send: (message) => session.send(message),
      isBusy: () => session.busy,
      repaired: (network, kinds, pauseMs) => {
        for (const kind of kinds) metrics.networkRepair(kind);
        const isNews = pauseMs < repairEveryMsMax;
        if (isNews) logger.warn({ node: nodeId, network, kinds, pauseMs }, 'network_repaired');
      },
    });
    this.#sessions.set(nodeId, networks);
    this.#links.set(nodeId, session);
    networks.update(view());
  }

  end(nodeId: string): void {
    this.#sessions.delete(nodeId);
    this.#links.delete(nodeId);
  }

  received(nodeId: string, digests: NetworkDigests): void {
    const networks = this.#sessions.get(nodeId);
    networks?.received(digests);
    if (digests.attachmentsKnown) this.attachments.present(nodeId, digests.attachments);
    if (networks?.differs) this.#lookSoon();
  }

  /** Everything may be different. */
  reset(): void {
    const view = this.#options.view();
    this.#truth.reset();
    this.keys.look();
    this.attachments.reset(view);
    for (const networks of this.#sessions.values()) networks.update(view);
  }

  /** Returns ids of tasks whose assignments may say something else of their networks now. */
  applied(changes: readonly AppliedChange[]): ReadonlySet<string> {
    const view = this.#options.view();
    const tasks = new Set<string>();
    const nodes = new Set<string>();
    for (const change of changes) {
      const concerned = concernedBy(change, view);
      for (const id of concerned.networks) this.#truth.changed(id);
      for (const id of concerned.tasks) tasks.add(id);
      for (const id of concerned.nodes === 'all' ? this.#sessions.keys() : concerned.nodes) {
        nodes.add(id);
      }
      if (change.table === 'attachment') this.attachments.applied(change);
      else if (change.table === 'cluster') this.keys.look();
      else if (change.table === 'node' && change.after === undefined) this.attachments.clear(view);
    }
    for (const id of nodes) this.#sessions.get(id)?.update(view);
    return tasks;
  }

  attach(nodeId: string, request: AttachContainerRequest): Promise<AttachContainerResponse> {
    return this.attachments.attach(nodeId, request);
  }

  /** What the nodes serve beside what the log implies; of one network, or with an empty id of all. */
  verify(networkId: string): NodeDrift[] {
    return Array.from(this.#sessions, ([nodeId, networks]) => ({
      nodeId,
      networks: [...networks.drift(networkId)],
    }));
  }

  /** Which nodes these nodes can reach. Undefined: too many ask. */
  check(timeoutMs: number): Promise<NodePaths[] | undefined> {
    return this.paths.check([...this.#links.values()], timeoutMs);
  }

  stop(): void {
    this.paths.stop();
    this.#look?.cancel();
    this.keys.stop();
    this.attachments.stop();
    this.#sessions.clear();
    this.#links.clear();
  }

  /** While a node differs it is looked at again, also when it has nothing new to say. */
  #lookSoon(): void {
    this.#look ??= this.#options.clock.after(driftLookMs, () => {
      this.#look = undefined;
      const differing = [...this.#sessions.values()].filter(({ differs }) => differs);
      for (const networks of differing) networks.look();
      if (differing.some(({ differs }) => differs)) this.#lookSoon();
    });
  }
}
