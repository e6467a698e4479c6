import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from '@shoal/runtime';
import type { Attachments } from '../network/ports.ts';
import type { BuiltNetworks } from './built-networks.ts';
import type { EngineNetwork, EngineNetworks } from './engine-networks.ts';
import type { OverlayMetrics } from './metrics.ts';
import type { Plumbing } from './plumbing.ts';
import type { Registry } from './registry.ts';

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
      const seen = await this.#look(network);
      if (seen === undefined) return undefined;
      for (const id of seen) there.add(id);
    }
    await this.#drop(there);
    await this.#dropPlans();
    return listed.value;
  }

  /** Takes up endpoints that are not known, and names. The ids of those that are there. */
  async #look(network: EngineNetwork): Promise<readonly string[] | undefined> {
    const { engine, registry, built, metrics, logger } = this.#options;
    const endpoints = await engine.endpoints(network);
    if (endpoints.kind === 'failed') return undefined;
    for (const { id, containerId, containerName, mac, addresses } of endpoints.value) {
      const attached = registry.attachmentAt(network.networkId, addresses[0] ?? '');
      if (attached !== undefined) {
        this.#options.attachments()?.named(attached.endpointId, containerName);
      }
      if (id === '' || addresses.length === 0 || registry.endpoint(id)?.sandbox) continue;
      const sandbox = await engine.sandbox(containerId);
      if (sandbox.kind === 'failed' || sandbox.value === '') continue;
      const { networkId } = network;
      registry.putEndpoint({
        // What the engine does not tell: the nameservers that the user gave.
        ...registry.endpoint(id),
        id,
        networkId,
        addresses: [...addresses],
        mac,
        sandbox: sandbox.value,
      });
      built.programPeers(networkId);
      metrics.repaired('endpoint');
      logger.warn({ endpoint: id, network: networkId }, 'endpoint_found');
    }
    return endpoints.value.map(({ id }) => id);
  }

  /** Those whose container's namespace is gone need no second look. */
  async #drop(there: ReadonlySet<string>): Promise<void> {
    const { registry, plumbing, metrics, logger } = this.#options;
    const missing = new Set<string>();
    for (const { id, sandbox } of registry.endpoints) {
      if (there.has(id)) continue;
      missing.add(id);
      if (!this.#missing.has(id) && !(await isGone(sandbox))) continue;
      plumbing.endpointDeleted(id);
      metrics.repaired('endpoint');
      logger.warn({ endpoint: id }, 'endpoint_lost');
    }
    this.#missing = missing;
  }

  async #dropPlans(): Promise<void> {
    const { engine, registry } = this.#options;
    if (registry.taskIds.length === 0) return;
    const tasks = await engine.taskIds();
    if (tasks.kind === 'failed') return;
    const planless = new Set(registry.taskIds.filter((id) => !tasks.value.has(id)));
    registry.keepTasks((id) => !planless.has(id) || !this.#planless.has(id));
    this.#planless = planless;
  }

  /** Tells the names of a network's containers that were run by hand. */
  async name(networkId: string): Promise<void> {
    const listed = await this.#options.engine.list();
    if (listed.kind === 'failed') return;
    const network = listed.value.find((each) => each.networkId === networkId);
    if (network !== undefined) await this.#look(network);
  }
}

/** False where the folder of namespaces cannot be seen either: that says nothing. */
async function isGone(sandbox: string | undefined): Promise<boolean> {
  if (sandbox === undefined || !(await exists(dirname(sandbox)))) return false;
  return !(await exists(sandbox));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
