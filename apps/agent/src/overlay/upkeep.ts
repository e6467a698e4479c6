import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import type { EngineAudit } from './audit.ts';
import type { BuiltNetworks } from './built-networks.ts';
import type { EngineNames } from './engine-names.ts';
import type { Registry } from './registry.ts';

/** How often everything is compared with what it should be, milliseconds. */
const auditEveryMs = 30_000;
/** Pause before it is looked again after something failed, milliseconds: doubled up to the longest. */
const retryMs = { first: 500, most: 30_000 } as const;

export interface UpkeepOptions {
  readonly registry: Registry;
  readonly built: BuiltNetworks;
  readonly names: EngineNames;
  readonly audit: EngineAudit;
  /** Looks at what the host itself says, as often as at everything else. */
  readonly look: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Sees to it that what should be here is, and what should not goes: now, after failures, and regularly. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  /** Undefined: nobody has said yet, so everything stays. */
  #wanted: ReadonlySet<string> | undefined;
  #next: Timer | undefined;
  #auditing: Promise<void> | undefined;
  /** Asked for while one runs. */
  #askedMs: number | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Networks that this host must have. */
  want(networkIds: ReadonlySet<string>): void {
    // What the engine has of them may be more than what the state file says.
    if (this.#wanted === undefined) this.auditIn(0);
    this.#wanted = networkIds;
    for (const { id } of this.#options.registry.networks) {
      if (!networkIds.has(id)) void this.retire(id);
    }
  }

  isWanted(networkId: string): boolean {
    return this.#wanted?.has(networkId) !== false;
  }

  async build(networkId: string): Promise<void> {
    const { built, logger } = this.#options;
    const done = await built.build(networkId);
    if (done.kind === 'ok') return;
    logger.warn({ network: networkId, reason: done.message }, 'network_not_built');
    this.#retryLater();
  }

  /** Takes a network away that is not wanted any more, once no container is in it. */
  retire(networkId: string): Promise<void> {
    const { registry, built, names, logger } = this.#options;
    return names.exclusively(networkId, async () => {
      const network = registry.network(networkId);
      if (network === undefined || this.isWanted(networkId) || this.#closed) return;
      if (registry.joined(networkId).length > 0) return;
      if (!(await names.remove(networkId)) || this.isWanted(networkId)) return;
      const done = await built.remove(network);
      if (done.kind === 'failed') {
        logger.warn({ network: networkId, reason: done.message }, 'network_stays');
        return this.#retryLater();
      }
      if (this.isWanted(networkId)) return this.build(networkId);
      registry.deleteNetwork(networkId);
      built.forget(networkId);
    });
  }

  /** Asked for while one runs, the next comes that soon after it. */
  auditIn(ms: number): void {
    if (this.#closed) return;
    if (this.#auditing !== undefined) {
      this.#askedMs = Math.min(ms, this.#askedMs ?? ms);
      return;
    }
    this.#next?.cancel();
    this.#next = this.#options.clock.after(ms, () => {
      this.#auditing = this.#audit().then((nextMs) => {
        this.#auditing = undefined;
        const askedMs = this.#askedMs ?? nextMs;
        this.#askedMs = undefined;
        this.auditIn(Math.min(nextMs, askedMs));
      });
    });
  }

  #retryLater(): void {
    this.auditIn(this.#nextRetryMs());
  }

  #nextRetryMs(): number {
    const ms = Math.min(retryMs.first * 2 ** Math.min(this.#failures, 10), retryMs.most);
    this.#failures += 1;
    return ms;
  }

  /** When the next is due, in milliseconds. */
  async #audit(): Promise<number> {
    let whole = false;
    try {
      await this.#options.look();
      const isComplete = await this.#auditEngine();
      whole = (await this.#auditKernel(isComplete)) && isComplete;
    } catch (error) {
      this.#options.logger.error({ reason: errorMessage(error) }, 'overlay_audit_failed');
    }
    if (!whole) return this.#nextRetryMs();
    this.#failures = 0;
    return auditEveryMs;
  }

  /** True when the engine could be asked. */
  async #auditEngine(): Promise<boolean> {
    const { audit, names, registry } = this.#options;
    const found = await audit.run();
    if (found === undefined) return false;
    names.found(found.filter(({ networkId }) => registry.network(networkId) !== undefined));
    if (this.#wanted === undefined) return true;
    for (const network of found) {
      if (registry.network(network.networkId) === undefined) await names.removeStray(network);
    }
    return true;
  }

  async #auditKernel(isComplete: boolean): Promise<boolean> {
    const { registry, built, logger } = this.#options;
    let whole = true;
    for (const network of registry.networks) {
      if (this.#closed) return false;
      if (!this.isWanted(network.id)) await this.retire(network.id);
      else if (built.canBuild(network)) {
        const done = await built.audit(network.id, isComplete);
        if (done.kind === 'ok') continue;
        whole = false;
        logger.warn({ network: network.id, reason: done.message }, 'network_not_repaired');
      }
    }
    if (this.#wanted !== undefined) await built.removeStrays();
    return whole;
  }

  /** Begins nothing any more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#next?.cancel();
    await this.#auditing;
    await this.#options.built.idle();
  }

  /** Takes everything away. */
  async removeAll(): Promise<void> {
    const { registry, built } = this.#options;
    this.#wanted = new Set();
    this.#next?.cancel();
    await this.#auditing;
    for (const { id } of registry.networks) await this.retire(id);
    // Those that the engine did not let go of: their containers are gone all the same.
    for (const network of registry.networks) await built.remove(network);
    await this.close();
  }
}
