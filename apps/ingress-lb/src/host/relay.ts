import { connect, type Socket } from 'node:net';
import type { Clock } from '@shoal/runtime';
import { proxyHeader } from './proxy-header.ts';

/** Connections passed on at once, each two sockets; further ones are refused. */
const relayedMax = 8_192;
/** Longest wait for a task to accept, milliseconds. */
const acceptMsMax = 10_000;

/** Clients that vanished are found out after this time, milliseconds. */
const keepAliveMs = 60_000;
/** Of both sockets: each end may stop to send while it still listens. */
export const relaySockets = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: keepAliveMs,
} as const;

/** Where the ingress network is reached without the rules that led the connection here. */
export interface RelayTarget {
  readonly host: string;
  readonly port: number;
}

export interface RelayMetrics {
  /** A connection came. */
  relayed(outcome: 'begun' | 'refused'): void;
  /** Number of relayed connections that are open. */
  relaying(count: number): void;
}

export interface RelayOptions {
  readonly target: (port: number) => RelayTarget;
  readonly clock: Clock;
  readonly metrics: RelayMetrics;
}

/** Passes TCP connections on to whichever task the kernel chooses. Backpressure is the sockets' own. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #open = new Set<() => void>();
  #idle: (() => void)[] = [];

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** @param withHeader whether the task is told first who its client is. */
  pass(client: Socket, port: number, withHeader: boolean): void {
    const { target, clock, metrics } = this.#options;
    client.on('error', () => client.destroy());
    const header = withHeader ? headerOf(client) : undefined;
    const isGone = withHeader && header === undefined;
    if (isGone || this.#open.size >= relayedMax) {
      client.resetAndDestroy();
      metrics.relayed('refused');
      return;
    }
    metrics.relayed('begun');
    const task = connect({ ...target(port), ...relaySockets });
    const end = (): void => {
      client.destroy();
      task.destroy();
    };
    const late = clock.after(acceptMsMax, end);
    this.#open.add(end);
    metrics.relaying(this.#open.size);
    task.once('connect', () => {
      late.cancel();
      if (header !== undefined) task.write(header);
      client.pipe(task).pipe(client);
    });
    // Who is refused by the task is refused here.
    task.on('error', () => client.resetAndDestroy());
    task.on('close', () => {
      late.cancel();
      // What is still to be sent goes first.
      client.destroySoon();
      this.#ended(end);
    });
    client.on('close', () => task.destroy());
  }

  /** Resolves when no connection is open any more, or when those that were are ended after `ms`. */
  async drain(ms: number): Promise<void> {
    if (this.#open.size === 0) return;
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    const late = this.#options.clock.after(ms, () => {
      for (const end of [...this.#open]) end();
    });
    await idle;
    late.cancel();
  }

  #ended(end: () => void): void {
    this.#open.delete(end);
    this.#options.metrics.relaying(this.#open.size);
    if (this.#open.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function headerOf(client: Socket): Buffer | undefined {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = client;
  return proxyHeader(
    { address: remoteAddress, port: remotePort },
    { address: localAddress, port: localPort },
  );
}
