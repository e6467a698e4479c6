import { type Clock, errorMessage, type Logger, type Random, type Timer } from '@shoal/runtime';
import type { Serve } from '../server/serve.ts';
import { serveTcp } from '../server/tcp-service.ts';
import { serveUdp } from '../server/udp-service.ts';
import type { AddressSockets, Bind, Bound } from './namespace-sockets.ts';
import { SelfCheck } from './self-check.ts';

/** Where a network's containers ask. */
export interface Place {
  /** Path of the network's namespace. */
  readonly namespace: string;
  readonly addresses: readonly string[];
}

export interface ListenerOptions {
  readonly networkId: string;
  readonly place: Place;
  readonly port: number;
  readonly bind: Bind;
  /** Tells namespaces of one path apart; undefined while there is none. */
  readonly identify: (namespace: string) => Promise<string | undefined>;
  readonly serve: Serve;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told when the network begins or ceases to be listened on, and why. */
  readonly onChange: (why: ListenerChange) => void;
}

export type ListenerChange = 'bound' | 'not-bound' | 'self-check' | 'namespace';

/** Pause before sockets are bound again, milliseconds: doubled each time up to the longest. */
const retryMs = { first: 50, most: 2_000 } as const;
const checkMs = 1_000;
/** Questions to ourselves without an answer, one after the other, until the sockets are made anew. */
const missesMax = 3;

interface Serving {
  readonly identity: string;
  readonly checks: readonly SelfCheck[];
  readonly close: () => void;
}

/** Keeps the sockets of one network: binds them, watches them, makes them anew when they do not work. */
export class NetworkListener {
  readonly #options: ListenerOptions;
  readonly place: Place;
  #serving: Serving | undefined;
  #timer: Timer | undefined;
  #tries = 0;
  #problem = 'it is not listened on yet';
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.place = options.place;
    void this.#bind();
  }

  /** Why nobody is answered, one sentence; undefined while all is well. */
  get problem(): string | undefined {
    return this.#serving === undefined ? this.#problem : undefined;
  }

  /** All handles are closed when this returns, so that the namespace may go. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#serving?.close();
    this.#serving = undefined;
  }

  async #bind(): Promise<void> {
    const { identify, bind, onChange } = this.#options;
    const { namespace, addresses } = this.place;
    const identity = await identify(namespace);
    const bound: Bound =
      identity === undefined
        ? { kind: 'failed', reason: `${namespace} is not there` }
        : await bind(namespace, addresses).catch((error: unknown) => ({
            kind: 'failed',
            reason: errorMessage(error),
          }));
    if (this.#closed) {
      if (bound.kind === 'bound') for (const sockets of bound.sockets) closeAll(sockets);
      return;
    }
    if (bound.kind === 'failed' || identity === undefined) {
      this.#problem = bound.kind === 'failed' ? bound.reason : '';
      if (this.#tries === 0) this.#log('not_listening', { reason: this.#problem });
      onChange('not-bound');
      return this.#bindLater();
    }
    this.#tries = 0;
    this.#serving = this.#serve(bound.sockets, identity);
    this.#log('listening', {});
    onChange('bound');
    this.#checkLater();
  }

  #bindLater(): void {
    const delayMs = Math.min(retryMs.first * 2 ** Math.min(this.#tries, 10), retryMs.most);
    this.#tries += 1;
    this.#timer = this.#options.clock.after(delayMs, () => void this.#bind());
  }

  #serve(sockets: readonly AddressSockets[], identity: string): Serving {
    const { networkId, serve, clock, random, port } = this.#options;
    const closes: (() => void)[] = [];
    for (const { udp, tcp, probe } of sockets) {
      const failed = (error: Error): void => this.#anew('self-check', error.message);
      udp.on('error', failed);
      tcp.on('error', failed);
      closes.push(serveUdp(udp, networkId, serve), serveTcp(tcp, networkId, serve, clock));
      closes.push(() => probe.close());
    }
    return {
      identity,
      checks: sockets.map(({ probe, address }) => new SelfCheck(probe, { address, port }, random)),
      close: () => {
        for (const close of closes) close();
      },
    };
  }

  #checkLater(): void {
    this.#timer = this.#options.clock.after(checkMs, () => void this.#check());
  }

  async #check(): Promise<void> {
    const serving = this.#serving;
    if (serving === undefined) return;
    const identity = await this.#options.identify(this.place.namespace);
    if (this.#closed || this.#serving !== serving) return;
    if (identity !== serving.identity) {
      return this.#anew('namespace', `${this.place.namespace} is another one or gone`);
    }
    for (const check of serving.checks) check.ask();
    if (serving.checks.some(({ missed }) => missed >= missesMax)) {
      return this.#anew('self-check', 'questions to ourselves are not answered');
    }
    this.#checkLater();
  }

  /** Sockets that do not work are closed, and others bound. */
  #anew(why: ListenerChange, reason: string): void {
    if (this.#closed || this.#serving === undefined) return;
    this.#serving.close();
    this.#serving = undefined;
    this.#problem = reason;
    this.#timer?.cancel();
    this.#log('listening_anew', { reason });
    this.#options.onChange(why);
    this.#bindLater();
  }

  #log(event: string, fields: object): void {
    const { logger, networkId } = this.#options;
    const all = { network: networkId, namespace: this.place.namespace, ...fields };
    if (event === 'listening') logger.info(all, event);
    else logger.warn(all, event);
  }
}

function closeAll({ udp, tcp, probe }: AddressSockets): void {
  udp.close();
  tcp.close();
  probe.close();
}
