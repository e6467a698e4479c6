import { EventEmitter } from 'node:events';
import { status } from '@grpc/grpc-js';
import { invariant } from '@shoal/runtime';
import type { SimulatedNetwork } from './network.ts';
import type { SimulatedProcess } from './process.ts';

/**
 * One end of a stream between two simulated processes, with the events and methods that grpc-js and the log's
 * own protocol give: what runs on it in a simulation is the very code that runs in production.
 */
export class StreamEnd extends EventEmitter {
  readonly #owner: SimulatedProcess;
  readonly #network: SimulatedNetwork;
  readonly #side: 'client' | 'server';
  readonly #held: unknown[] = [];
  #peer: StreamEnd | undefined;
  #paused = false;
  #over = false;

  private constructor(
    owner: SimulatedProcess,
    network: SimulatedNetwork,
    side: 'client' | 'server',
  ) {
    super();
    this.#owner = owner;
    this.#network = network;
    this.#side = side;
    owner.owns(this);
  }

  static pair(
    network: SimulatedNetwork,
    client: SimulatedProcess,
    server: SimulatedProcess,
  ): { readonly client: StreamEnd; readonly server: StreamEnd } {
    const ends = {
      client: new StreamEnd(client, network, 'client'),
      server: new StreamEnd(server, network, 'server'),
    };
    ends.client.#peer = ends.server;
    ends.server.#peer = ends.client;
    return ends;
  }

  write(message: unknown, written?: () => void): boolean {
    this.#toPeer((peer) => {
      peer.#arrived(message);
      if (this.#owner.alive && !this.#over) written?.();
    });
    return true;
  }

  end(): void {
    this.#toPeer((peer) => {
      if (peer.#over) return;
      peer.emit('end');
      if (this.#side === 'server') peer.#finish();
    });
    if (this.#side === 'server') this.#finish();
  }

  cancel(): void {
    if (this.#over) return;
    this.#toPeer((peer) => peer.#closed('cancelled'));
    this.#finish();
  }

  pause(): this {
    this.#paused = true;
    return this;
  }

  resume(): this {
    this.#paused = false;
    for (const message of this.#held.splice(0)) this.#arrived(message);
    return this;
  }

  getAuthContext(): undefined {
    return undefined;
  }

  /** A server's `emit('error')` is how grpc-js ends a call with a status. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    if (event === 'error' && this.#side === 'server' && !this.#over) {
      const [error] = values;
      this.#toPeer((peer) => peer.#closed('error', error));
      this.#finish();
      return true;
    }
    return super.emit(event, ...values);
  }

  /** The process of this end is gone: it hears nothing any more, the other end sees a broken connection. */
  breakOff(): void {
    if (this.#over) return;
    this.#over = true;
    this.#toPeer((peer) =>
      peer.#closed(peer.#side === 'client' ? 'error' : 'cancelled', unavailable),
    );
  }

  /** The connection breaks while both processes live: each end hears of it, what was on its way is lost. */
  reset(): void {
    if (this.#over) return;
    this.#toPeer((peer) =>
      peer.#closed(peer.#side === 'client' ? 'error' : 'cancelled', unavailable),
    );
    this.#closed(this.#side === 'client' ? 'error' : 'cancelled', unavailable);
  }

  #toPeer(deliver: (peer: StreamEnd) => void): void {
    const peer = this.#peer;
    invariant(peer !== undefined, 'a stream has two ends');
    this.#network.send(this.#owner.name, peer.#owner.name, () => {
      if (peer.#owner.alive) deliver(peer);
    });
  }

  #arrived(message: unknown): void {
    if (this.#over) return;
    if (this.#paused) this.#held.push(message);
    else super.emit('data', message);
  }

  #closed(event: 'error' | 'cancelled', error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    super.emit(event, error);
    this.#finish();
  }

  #finish(): void {
    this.#over = true;
    this.#owner.disowns(this);
    super.emit('close');
  }
}

const unavailable = Object.assign(new Error('14 UNAVAILABLE: the connection broke'), {
  code: status.UNAVAILABLE,
});
