import { type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import {
  HostNetworksClient,
  type HostNetworkUpdate,
  type Served,
  type ServedNetwork,
} from '@shoal/proto';
import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import { decodeAll } from '@shoal/state';
import { decodeHostNetworkChange } from './decode.ts';
import { HostTables } from './host-tables.ts';
import type { HostNetworkChange } from './networks.ts';

/** Pause before the agent is looked for again, milliseconds: doubled each time up to the longest. */
const reconnectMs = { first: 50, most: 1_000 } as const;
/** Pause before what could not be served is tried again, milliseconds. */
const serveAgainMs = 1_000;
/** Longest update, bytes: everything of a host's networks in one, so that nothing is half there. */
export const updateBytesMax = 256 * 1024 * 1024;

export type HostConsumer = 'dns' | 'ingress-lb';

export interface FollowOptions {
  /** See `hostNetworksSocket`. */
  readonly socket: string;
  readonly consumer: HostConsumer;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Serves what `tables` say now. Never called again before it has ended; what changes meanwhile comes
   * together with the next call. When it has ended, what `served` says is told to the agent. A rejection
   * is logged, and the same ids come again a second later.
   */
  readonly onUpdate: (tables: HostTables, changed: ReadonlySet<string>) => Promise<void> | void;
  /** What is really served now, with digests by `servedDigest`. */
  readonly served: () => readonly ReportedNetwork[];
}

/** What is served of a network. `unsteered`: endpoint ids, from the balancer alone. */
export type ReportedNetwork = Omit<ServedNetwork, 'unsteered'> &
  Partial<Pick<ServedNetwork, 'unsteered'>>;

/** Networks that are followed. */
export interface Following {
  readonly tables: HostTables;
  /** True while the agent is there. Without it what was last known stays. */
  readonly connected: boolean;
  /** What is served changed by itself: tells the agent. */
  report(): void;
  close(): void;
}

/** Follows what this host's networks are, from the agent, for as long as it is not closed. */
export function followHostNetworks(options: FollowOptions): Following {
  return new Follower(options);
}

class Follower implements Following {
  readonly tables = new HostTables();
  readonly #options: FollowOptions;
  #call: ClientDuplexStream<Served, HostNetworkUpdate> | undefined;
  #client: HostNetworksClient | undefined;
  #changed = new Set<string>();
  /** Versions of the present stream: received, and served. */
  #version = 0;
  #servedVersion = 0;
  #first = true;
  #working = false;
  #tries = 0;
  #retry: Timer | undefined;
  #again: Timer | undefined;
  #closed = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#open();
  }

  get connected(): boolean {
    return this.#call !== undefined && this.#version > 0;
  }

  report(): void {
    if (!this.connected || this.#servedVersion === 0) return;
    const { consumer, served } = this.#options;
    const networks = served().map((each) => ({ unsteered: [], ...each }));
    this.#call?.write({ consumer, version: this.#servedVersion, networks });
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#again?.cancel();
    this.#drop();
  }

  #open(): void {
    const { socket, consumer, logger } = this.#options;
    const client = new HostNetworksClient(`unix://${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': updateBytesMax,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
    });
    const call = client.follow();
    this.#client = client;
    this.#call = call;
    let over = false;
    const ended = (reason: string): void => {
      if (over) return;
      over = true;
      if (this.#call !== call) return;
      this.#drop();
      if (this.#closed) return;
      if (this.#tries === 0) logger.warn({ reason }, 'agent_lost');
      this.#openLater();
    };
    call.on('data', (update: HostNetworkUpdate) => {
      if (over) return;
      const read = decodeAll(update.changes, decodeHostNetworkChange);
      if (read.kind === 'ok') this.#received(update, read.value);
      else ended(`an update of the agent cannot be read: ${read.message}`);
    });
    call.on('error', (error) => ended(errorMessage(error)));
    call.on('end', () => ended('the agent ended the stream'));
    call.write({ consumer, version: 0, networks: [] });
  }

  #openLater(): void {
    const delayMs = Math.min(reconnectMs.first * 2 ** Math.min(this.#tries, 10), reconnectMs.most);
    this.#tries += 1;
    this.#retry = this.#options.clock.after(delayMs, () => this.#open());
  }

  #drop(): void {
    const call = this.#call;
    const client = this.#client;
    this.#call = undefined;
    this.#client = undefined;
    this.#version = 0;
    this.#servedVersion = 0;
    call?.cancel();
    client?.close();
  }

  #received({ version, complete }: HostNetworkUpdate, changes: readonly HostNetworkChange[]): void {
    if (this.#tries > 0) this.#options.logger.info({}, 'agent_seen');
    this.#tries = 0;
    for (const id of this.tables.fold(changes, complete)) this.#changed.add(id);
    this.#version = version;
    void this.#work();
  }

  /** One at a time; what comes meanwhile is served by the next round. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    while (this.#servedVersion !== this.#version && !this.#closed) {
      const call = this.#call;
      const version = this.#version;
      if (!(await this.#serve())) {
        this.#again ??= this.#options.clock.after(serveAgainMs, () => {
          this.#again = undefined;
          void this.#work();
        });
        break;
      }
      // Nobody waits to hear on a stream that is over.
      if (call !== this.#call) continue;
      this.#servedVersion = version;
      this.report();
    }
    this.#working = false;
  }

  async #serve(): Promise<boolean> {
    const changed = this.#changed;
    this.#changed = new Set();
    // At first also nothing is news: there are no networks.
    if (changed.size === 0 && !this.#first) return true;
    this.#first = false;
    try {
      await this.#options.onUpdate(this.tables, changed);
      return true;
    } catch (error) {
      for (const id of changed) this.#changed.add(id);
      this.#options.logger.error({ error }, 'update_not_served');
      return false;
    }
  }
}
