import type { Logger } from '@shoal/runtime';
import type { Attachments } from '../network/ports.ts';
import type { BuiltNetworks } from './built-networks.ts';
import type {
  EngineContainer,
  EngineEndpoint,
  EngineNetwork,
  EngineNetworks,
  LabelledContainer,
} from './engine-networks.ts';
import type { OverlayMetrics } from './metrics.ts';
import type { Plumbing } from './plumbing.ts';
import type { Registry } from './registry.ts';
import { isGone } from './sandbox.ts';

export interface EngineAuditOptions {
  readonly engine: EngineNetworks;
  readonly registry: Registry;
  readonly built: BuiltNetworks;
  readonly plumbing: Plumbing;
  readonly attachments: () => Attachments | undefined;
  readonly logger: Logger;
  readonly metrics: OverlayMetrics;
}

/**
 * Compares what is known here with what the engine has: it tells its driver nothing of endpoints that
 * died with it, and nothing again after a restart of either.
 */
export class EngineAudit {
  readonly #options: EngineAuditOptions;
  /** Endpoints that the engine did not have at the last look: one may be about to be made. */
  #missing: ReadonlySet<string> = new Set();
  #planless: ReadonlySet<string> = new Set();
  /** Attachments whose addresses nobody had at the last look. */
  #unheld: ReadonlySet<string> = new Set();
  /** Names that were told, by endpoint. */
  readonly #named = new Map<string, string>();

  constructor(options: EngineAuditOptions) {
    this.#options = options;
  }

  /** The engine's networks of ours; undefined when it cannot be asked. */
  async run(): Promise<readonly EngineNetwork[] | undefined> {
    const { engine, registry } = this.#options;
    const listed = await engine.list();
    if (listed.kind === 'failed') return undefined;
    const there = new Set<string>();
    for (const network of listed.value) {
      if (registry.network(network.networkId) === undefined) continue;
      registry.bind(network.id, network.networkId);
      const seen = await this.#look(network, () => true);
      if (seen === undefined) return undefined;
      for (const id of seen) there.add(id);
    }
    for (const id of this.#named.keys()) if (!there.has(id)) this.#named.delete(id);
    await this.#drop(there);
    this.#dropAttachments();
    await this.#dropPlans();
    return listed.value;
  }

  /** Takes up endpoints that are not known, and names. The ids of those that are there. */
  async #look(
    network: EngineNetwork,
    isDue: (endpoint: EngineEndpoint) => boolean,
  ): Promise<readonly string[] | undefined> {
    const { engine } = this.#options;
    const endpoints = await engine.endpoints(network);
    if (endpoints.kind === 'failed') return undefined;
    for (const endpoint of endpoints.value) {
      if (isDue(endpoint)) await this.#compare(network, endpoint);
    }
    return endpoints.value.map(({ id }) => id);
  }

  async #compare(network: EngineNetwork, endpoint: EngineEndpoint): Promise<void> {
    const { engine, registry } = this.#options;
    const { id, addresses } = endpoint;
    const [address] = addresses;
    if (id === '' || address === undefined) return;
    const isJoined = registry.endpoint(id)?.sandbox !== undefined;
    if (isJoined && registry.taskAt(network.networkId, address) !== undefined) return;
    const container = await engine.container(endpoint, network);
    if (container.kind === 'failed' || container.value.sandbox === '') return;
    if (!isJoined) this.#found(network, endpoint, container.value);
    else if (!container.value.isTask) await this.#adopt(id);
    const attached = registry.attachmentAt(network.networkId, address);
    const attachments = this.#options.attachments();
    if (attached === undefined || attachments === undefined) return;
    const { containerName } = endpoint;
    attachments.named(attached.endpointId, containerName, container.value.aliases);
    this.#named.set(id, containerName);
  }

  #found(
    { networkId }: EngineNetwork,
    endpoint: EngineEndpoint,
    { sandbox }: EngineContainer,
  ): void {
    const { registry, built, metrics, logger } = this.#options;
    const { id, mac, addresses } = endpoint;
    // What the engine does not tell: the nameservers that the user gave.
    const known = registry.endpoint(id);
    registry.putEndpoint({ ...known, id, networkId, addresses: [...addresses], mac, sandbox });
    built.programPeers(networkId);
    metrics.repaired('endpoint');
    logger.warn({ endpoint: id, network: networkId }, 'endpoint_found');
  }

  /** Where what was kept is lost: an address that a container has must be nobody else's. */
  async #adopt(id: string): Promise<void> {
    const { registry, plumbing, metrics, logger } = this.#options;
    const endpoint = registry.endpoint(id);
    const [address] = endpoint?.addresses ?? [];
    if (endpoint === undefined || address === undefined) return;
    if (registry.attachmentAt(endpoint.networkId, address) !== undefined) return;
    const adopted = await plumbing.adopt(endpoint);
    if (adopted.kind === 'failed') {
      logger.warn({ endpoint: id, reason: adopted.message }, 'endpoint_without_attachment');
      return;
    }
    metrics.repaired('attachment');
    logger.warn({ endpoint: id, network: endpoint.networkId }, 'endpoint_attached');
  }

  /** Drops endpoints missing twice in a row, or once if their container's namespace is gone. */
  async #drop(there: ReadonlySet<string>): Promise<void> {
    const { registry, plumbing, metrics, logger } = this.#options;
    const missing = new Set<string>();
    for (const { id, sandbox } of registry.endpoints) {
      if (there.has(id)) continue;
      missing.add(id);
      if (!this.#missing.has(id) && !(await isGone(sandbox))) continue;
      plumbing.lost(id);
      metrics.repaired('endpoint');
      logger.warn({ endpoint: id }, 'endpoint_lost');
    }
    this.#missing = missing;
  }

  /** What the engine gave back unheard. */
  #dropAttachments(): void {
    const { registry, plumbing, metrics, logger } = this.#options;
    const unheld = registry.attachments.filter((each) => !registry.isHeld(each));
    for (const { endpointId } of unheld) {
      if (!this.#unheld.has(endpointId)) continue;
      plumbing.detach(endpointId);
      metrics.repaired('attachment');
      logger.warn({ attachment: endpointId }, 'attachment_lost');
    }
    this.#unheld = new Set(unheld.map(({ endpointId }) => endpointId));
  }

  async #dropPlans(): Promise<void> {
    const { engine, registry } = this.#options;
    if (registry.taskIds.length === 0) return;
    const listed = await engine.taskContainers();
    if (listed.kind === 'failed') return;
    const there = new Set(
      listed.value.filter((each) => this.#isTasks(each)).map(({ taskId }) => taskId),
    );
    const planless = new Set(registry.taskIds.filter((id) => !there.has(id)));
    registry.keepTasks((id) => !planless.has(id) || !this.#planless.has(id));
    this.#planless = planless;
  }

  /** One that was renamed has the task's address all the same. */
  #isTasks({ taskId, hasTaskName, endpointIds }: LabelledContainer): boolean {
    if (hasTaskName) return true;
    const { registry } = this.#options;
    return endpointIds.some((id) => {
      const { networkId = '', addresses = [] } = registry.endpoint(id) ?? {};
      return registry.taskAt(networkId, addresses[0] ?? '')?.taskId === taskId;
    });
  }

  /** Tells the names of a network's containers that were run by hand, as far as they are not told yet. */
  async name(networkId: string): Promise<void> {
    const listed = await this.#options.engine.list();
    if (listed.kind === 'failed') return;
    const network = listed.value.find((each) => each.networkId === networkId);
    if (network === undefined) return;
    const isJoined = (id: string): boolean =>
      this.#options.registry.endpoint(id)?.sandbox !== undefined;
    await this.#look(
      network,
      ({ id, containerName }) => !isJoined(id) || this.#named.get(id) !== containerName,
    );
  }
}
