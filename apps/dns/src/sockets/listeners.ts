import { isDeepStrictEqual } from 'node:util';
import type { HostNetwork } from '@shoal/overlay';
import type { Clock, Logger, Random } from '@shoal/runtime';
import type { Serve } from '../server/serve.ts';
import type { Bind } from './namespace-sockets.ts';
import { type ListenerChange, NetworkListener, type Place } from './network-listener.ts';

/** Child processes that bind at once: each takes a good part of a core for a moment. */
const bindsAtOnceMax = 4;

export interface ListenersOptions {
  readonly port: number;
  readonly bind: Bind;
  readonly identify: (namespace: string) => Promise<string | undefined>;
  readonly serve: Serve;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onChange: (networkId: string, why: ListenerChange) => void;
}

/** A listener for each network of this host. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #bind: Bind;
  readonly #listeners = new Map<string, NetworkListener>();

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#bind = atMost(bindsAtOnceMax, options.bind);
  }

  /** Networks that are listened on. */
  get bound(): number {
    let count = 0;
    for (const { problem } of this.#listeners.values()) if (problem === undefined) count += 1;
    return count;
  }

  /** Why the network's containers are not answered; undefined while they are. */
  problem(networkId: string): string | undefined {
    const listener = this.#listeners.get(networkId);
    return listener === undefined ? 'it is not listened on yet' : listener.problem;
  }

  /** The network is here and as it is told; what listens elsewhere for it is closed. */
  set(network: HostNetwork): void {
    const addresses = [...new Set(network.subnets.map(({ gateway }) => gateway))];
    const place: Place = { namespace: network.namespace, addresses };
    const known = this.#listeners.get(network.id);
    if (known !== undefined && isDeepStrictEqual(known.place, place)) return;
    known?.close();
    const networkId = network.id;
    const { onChange, ...options } = this.#options;
    this.#listeners.set(
      networkId,
      new NetworkListener({
        ...options,
        networkId,
        place,
        bind: this.#bind,
        onChange: (why) => onChange(networkId, why),
      }),
    );
  }

  /** All handles of the network are closed when this returns. */
  remove(networkId: string): void {
    this.#listeners.get(networkId)?.close();
    this.#listeners.delete(networkId);
  }

  close(): void {
    for (const networkId of [...this.#listeners.keys()]) this.remove(networkId);
  }
}

/** `bind` with at most `count` calls under way; others wait in line. */
function atMost(count: number, bind: Bind): Bind {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (...where) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await bind(...where);
    } finally {
      const next = waiting.shift();
      // The next one takes this place over.
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
