import {
  type Following,
  followHostNetworks,
  type HostTable,
  HostTables,
  hostNetworksSocket,
} from '@shoal/overlay';
import { type Clock, type Logger, pause, type Random, type Timer } from '@shoal/runtime';
import type { Health } from '@shoal/runtime/process';
import { LastKnownWriter, lastKnownFile, readLastKnown } from './last-known.ts';
import type { DnsMetrics } from './metrics.ts';
import { pooledRandom } from './pooled-random.ts';
import { Resolver } from './server/resolver.ts';
import { Listeners } from './sockets/listeners.ts';
import type { Bind } from './sockets/namespace-sockets.ts';
import type { Exchange } from './upstream/exchange.ts';
import { Forwarder } from './upstream/forwarder.ts';
import { Zones } from './zone/zones.ts';

/** Longest wait for answers of upstreams when the process is to end, milliseconds. */
const drainMsMax = 2_000;
const drainLookMs = 20;
/** Time that a network may be without sockets before the process counts as not ready, milliseconds. */
const graceMs = 5_000;

export interface DnsOptions {
  readonly dataDir: string;
  readonly port: number;
  readonly bind: Bind;
  readonly identify: (namespace: string) => Promise<string | undefined>;
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: DnsMetrics;
}

/** The resolver of a host: what the agent tells becomes zones, zones become answers. */
export class Dns {
  readonly #options: DnsOptions;
  readonly #zones = new Zones();
  readonly #forwarder: Forwarder;
  readonly #listeners: Listeners;
  readonly #lastKnown: LastKnownWriter;
  readonly #following: Following;
  /** What is served; the agent's own tables once it has told, what was on the disk until then. */
  #tables: HostTables;
  /** Since when each network has been without sockets. */
  readonly #silentSince = new Map<string, number>();
  #reporting: Timer | undefined;

  private constructor(options: DnsOptions, tables: HostTables) {
    const { clock, random, logger, metrics, dataDir } = options;
    this.#options = options;
    this.#tables = tables;
    this.#forwarder = new Forwarder({
      exchange: options.exchange,
      clock,
      random,
      observe: metrics.upstream,
    });
    const resolver = new Resolver({
      zones: this.#zones,
      forwarder: this.#forwarder,
      clock,
      random: pooledRandom(random),
      observe: metrics.query,
    });
    const { port, bind, identify } = options;
    this.#listeners = new Listeners({
      port,
      bind,
      identify,
      clock,
      random,
      logger,
      serve: (packet, origin) => resolver.answer(packet, origin),
      onChange: (_, why) => {
        metrics.listener(why);
        this.#reportSoon();
      },
    });
    const path = lastKnownFile(dataDir);
    const kept = () => this.#tables.networks.values();
    this.#lastKnown = new LastKnownWriter({ path, clock, logger, tables: kept });
    this.#load(tables.networks.keys());
    this.#following = followHostNetworks({
      socket: hostNetworksSocket(dataDir),
      consumer: 'dns',
      clock,
      logger,
      onUpdate: (told, changed) => this.#update(told, changed),
      served: () => this.#served(),
    });
    metrics.gauges(() => this.#gauges());
  }

  /** Serves what was last known at once, and what the agent says as soon as it is there. */
  static async start(options: DnsOptions): Promise<Dns> {
    const known = await readLastKnown(lastKnownFile(options.dataDir), options.logger);
    const tables = new HostTables();
    tables.fold(known, true);
    return new Dns(options, tables);
  }

  get health(): Health {
    const { connected } = this.#following;
    const networks = this.#tables.networks.size;
    const role = networks > 0 ? 'active' : 'standby';
    const silent = this.#silent();
    const detail =
      silent ?? (connected || networks === 0 ? '' : 'the agent is away: serves what it said last');
    return { ready: silent === undefined, healthy: true, role, detail };
  }

  /** Networks whose containers are answered. */
  get listening(): number {
    return this.#listeners.bound;
  }

  /** Lets what is under way end, then closes every socket. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#following.close();
    this.#reporting?.cancel();
    const end = clock.monotonic() + drainMsMax;
    while (this.#forwarder.underWay > 0 && clock.monotonic() < end) {
      await pause(clock, drainLookMs);
    }
    this.#listeners.close();
    await this.#lastKnown.close();
  }

  #update(told: HostTables, changed: ReadonlySet<string>): void {
    const before = this.#tables;
    this.#tables = told;
    // At the first word of the agent everything is compared with what was on the disk.
    const ids =
      before === told ? changed : new Set([...before.networks.keys(), ...told.networks.keys()]);
    this.#load(ids);
    this.#lastKnown.changed();
  }

  /** Zones first, so that the first question finds an answer; gone networks lose their sockets here. */
  #load(ids: Iterable<string>): void {
    for (const id of ids) {
      const table: HostTable | undefined = this.#tables.networks.get(id);
      if (table === undefined) {
        this.#zones.delete(id);
        this.#listeners.remove(id);
        this.#silentSince.delete(id);
      } else {
        this.#zones.set(id, table);
        this.#listeners.set(table.network);
      }
    }
  }

  #served() {
    return [...this.#zones.all].map(([networkId, { digest }]) => {
      const problem = this.#listeners.problem(networkId);
      return { networkId, digest, problems: problem === undefined ? [] : [problem] };
    });
  }

  /** Listeners of many networks change together. */
  #reportSoon(): void {
    this.#reporting ??= this.#options.clock.after(0, () => {
      this.#reporting = undefined;
      this.#following.report();
    });
  }

  /** One sentence about a network that has been without sockets for too long. */
  #silent(): string | undefined {
    const now = this.#options.clock.monotonic();
    let sentence: string | undefined;
    for (const [id, { network }] of this.#tables.networks) {
      const problem = this.#listeners.problem(id);
      if (problem === undefined) {
        this.#silentSince.delete(id);
        continue;
      }
      const since = this.#silentSince.get(id) ?? now;
      this.#silentSince.set(id, since);
      // What is on the disk may be of yesterday; only the agent knows.
      if (now - since < graceMs || !this.#following.connected) continue;
      sentence ??= `containers of network ${network.name} get no answers: ${problem}`;
    }
    return sentence;
  }

  #gauges() {
    return {
      networks: this.#zones.size,
      listening: this.#listeners.bound,
      names: this.#zones.names,
      cacheEntries: this.#forwarder.cache.size,
      cacheBytes: this.#forwarder.cache.bytes,
      forwarding: this.#forwarder.underWay,
      agentConnected: this.#following.connected,
    };
  }
}
