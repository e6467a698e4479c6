import type { HostTable, HostTables, ReportedNetwork } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import type { Clock, Logger } from '@shoal/runtime';
import { emptyBalancing, openOnly } from './desired/balancing.ts';
import { desiredNetwork } from './desired/desired.ts';
import { Lingering } from './desired/lingering.ts';
import { actualDigest } from './desired/served.ts';
import { innerEnd, type LegPlan } from './host/leg.ts';
import { HostLink } from './host/link.ts';
import type { PortHolder } from './host/ports.ts';
import type { BalancerBackend } from './kernel/backend.ts';
import { NamespaceWriter } from './kernel/writer.ts';
import type { BalancerMetrics } from './metrics.ts';
import { Sandboxes } from './sandbox/sandboxes.ts';

export interface BalancerOptions {
  readonly commands: KernelCommands;
  readonly backend: BalancerBackend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: BalancerMetrics;
  readonly ports: PortHolder;
  readonly leg: LegPlan;
  /** Why this host's kernel cannot balance SCTP; absent where it can. */
  readonly noSctp?: string | undefined;
  /** Namespace of the host; absent: our own. */
  readonly host?: string | undefined;
}

interface Balanced {
  table: HostTable;
  readonly writer: NamespaceWriter;
  readonly lingering: Lingering;
}

/** Balances in every network of this host, and leads published ports into the ingress network. */
export class HostBalancer {
  readonly #options: BalancerOptions;
  readonly #link: HostLink;
  readonly #sandboxes: Sandboxes;
  readonly #networks = new Map<string, Balanced>();
  #clean = false;

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#link = new HostLink(options);
    this.#sandboxes = new Sandboxes(options.commands, options.logger);
  }

  /** Brings the kernel to what the tables say; resolves when it is, or when a problem says why not. */
  async update(tables: HostTables, changed: ReadonlySet<string>): Promise<void> {
    const work: Promise<void>[] = [];
    for (const id of changed) {
      const table = tables.networks.get(id);
      if (table === undefined) this.#forget(id);
      else work.push(this.#balance(id, table));
    }
    await Promise.all(work);
    const ingress = [...tables.networks.values()].find(({ network }) => network.ingress);
    // Also what a former process left behind.
    if (ingress === undefined && !this.#clean) {
      await this.#link.clear();
      this.#sandboxes.forgetAll();
    }
    this.#clean = ingress === undefined;
    this.#count();
  }

  /** What is really in the kernel as of the last write or audit. */
  served(): readonly ReportedNetwork[] {
    const { noSctp } = this.#options;
    return [...this.#networks].map(([networkId, { table, writer }]) => ({
      networkId,
      digest: actualDigest(table.records.values(), writer.actual, networkId, noSctp),
      problems: [
        ...writer.problems,
        ...(table.network.ingress ? [...this.#link.problems, ...this.#sandboxes.problems] : []),
      ],
      ...(table.network.ingress && { unsteered: [...this.#sandboxes.unsteeredEndpoints] }),
    }));
  }

  get problems(): readonly string[] {
    return this.served().flatMap(({ problems }) => problems);
  }

  get summary(): { readonly networks: number; readonly services: number } {
    return { networks: this.#networks.size, services: this.#totals().services };
  }

  /** Compares all that is ours with the kernel and repairs it; says whether anything was different. */
  async audit(): Promise<boolean> {
    let repaired = false;
    const now = this.#options.clock.monotonic();
    for (const [id, { table, writer, lingering }] of [...this.#networks]) {
      const present = (): boolean => this.#networks.get(id)?.table === table;
      if (present() && lingering.isOver(now)) await this.#balance(id, table);
      if (present() && (await writer.audit())) repaired = true;
      if (!table.network.ingress || !present()) continue;
      const sandboxes = await this.#sandboxes.steer(table, true);
      const link = await this.#link.audit();
      if (sandboxes.changed && present()) await this.#balance(id, table);
      if (sandboxes.repaired || link) {
        this.#options.metrics.repaired();
        repaired = true;
      }
    }
    this.#count();
    return repaired;
  }

  /** Leaves the kernel as it is: connections and balancing go on without us. */
  async stop(): Promise<void> {
    for (const { writer } of this.#networks.values()) writer.close();
    await this.#options.ports.close();
  }

  async #balance(id: string, table: HostTable): Promise<void> {
    const { leg, noSctp } = this.#options;
    // Before anything leads to a task, its replies must find back.
    if (table.network.ingress) await this.#sandboxes.steer(table);
    const unsteered = table.network.ingress ? this.#sandboxes.unsteered : new Set<string>();
    const desired = desiredNetwork(table, { leg: innerEnd(leg), unsteered, noSctp });
    let balanced = this.#networks.get(id);
    if (balanced === undefined) {
      const writer = new NamespaceWriter(this.#options);
      balanced = { table, writer, lingering: new Lingering() };
      this.#networks.set(id, balanced);
    }
    balanced.table = table;
    const now = this.#options.clock.monotonic();
    const virtualIps = balanced.lingering.with(desired.virtualIps, table, now);
    await balanced.writer.want(table.network, { ...desired, virtualIps });
    if (table.network.ingress) await this.#link.publish(table.network, desired);
  }

  #forget(id: string): void {
    const balanced = this.#networks.get(id);
    balanced?.writer.close();
    this.#networks.delete(id);
  }

  #totals(): { services: number; backends: number } {
    let [services, backends] = [0, 0];
    for (const { writer } of this.#networks.values()) {
      for (const server of openOnly(writer.actual ?? emptyBalancing).servers.values()) {
        services += 1;
        backends += server.backends.length;
      }
    }
    return { services, backends };
  }

  #count(): void {
    const { metrics } = this.#options;
    metrics.serving(this.#totals());
    metrics.problems(this.problems.length);
  }
}
