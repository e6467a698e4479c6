import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { HoldLeaseRequest, HoldLeaseResponse, LogClient } from '@shoal/proto';
import {
  type Clock,
  errorMessage,
  type Logger,
  type LogIndex,
  type Random,
  type Timer,
} from '@shoal/runtime';
import { type Attempt, Reconnecting } from './follower/reconnecting.ts';
import type { HeldLease, LeaseSource } from './shell/options.ts';

/** How often a held lease is renewed, milliseconds; a third of the voter's time to live. */
const leaseRenewEveryMs = 1_000;
/** Longest wait for the voter to take a lease back, milliseconds. */
export const releaseMsMax = 1_000;

export interface LeaseHolderOptions {
  readonly client: () => LogClient;
  /** `<stage>@<node id>/<instance>`: the same at every start, so that a restart fences what it replaces. */
  readonly id: string;
  readonly stage: string;
  readonly nodeId: string;
  /** Where others reach this replica, empty if nobody calls it. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Holds one lease for as long as it lives, claiming it again after every loss. */
export class LeaseHolder implements LeaseSource {
  readonly #options: LeaseHolderOptions;
  readonly #connection: Reconnecting;
  readonly #listeners = new Set<() => void>();
  #call: ClientDuplexStream<HoldLeaseRequest, HoldLeaseResponse> | undefined;
  #current: HeldLease | undefined;
  #renewal: Timer | undefined;
  #end: Timer | undefined;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#connection = new Reconnecting({
      clock: options.clock,
      random: options.random,
      open: (down) => this.#claim(down),
      onDown: (reason, delayMs) =>
        options.logger.info({ lease: options.id, reason, delayMs }, 'lease_stream_down'),
    });
    this.#connection.start();
  }

  get current(): HeldLease | undefined {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reclaim(): void {
    this.#lose();
    this.#connection.restart('the lease is stale');
  }

  /**
   * Gives the lease back, so that others take over at once instead of after its time to live. Resolves
   * when the voter has heard it, or after {@link releaseMsMax}.
   */
  release(): Promise<void> {
    const call = this.#call;
    this.#call = undefined;
    this.#renewal?.cancel();
    this.#lose();
    this.#connection.stop();
    if (call === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(releaseMsMax, () => {
        call.cancel();
        resolve();
      });
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      call.on('end', done);
      call.on('error', done);
      call.write({ body: { $case: 'release', value: {} } });
      call.end();
    });
  }

  #claim(down: (reason: string) => void): Attempt {
    const { id, stage, nodeId, address } = this.#options;
    const call = this.#options.client().holdLease();
    this.#call = call;
    const ended = (reason: string): void => {
      if (this.#call !== call) return;
      this.#closed();
      down(reason);
    };
    call.on('data', (response: HoldLeaseResponse) => {
      if (this.#call === call) this.#granted(response);
    });
    call.on('error', (error) => ended(errorMessage(error)));
    call.on('end', () => ended('the voter ended the stream'));
    call.write({ body: { $case: 'claim', value: { id, stage, nodeId, address } } });
    return {
      close: () => {
        if (this.#call !== call) return;
        this.#closed();
        call.cancel();
      },
    };
  }

  /** Without a stream the lease still stands until its time to live has passed. */
  #closed(): void {
    this.#call = undefined;
    this.#renewal?.cancel();
    this.#renewal = undefined;
  }

  #granted(response: HoldLeaseResponse): void {
    const { clock, id, logger } = this.#options;
    this.#connection.healthy();
    this.#end?.cancel();
    this.#end = clock.after(response.ttlMs, () => {
      this.#lose();
      this.#connection.restart('the lease was not renewed in time');
    });
    this.#renewal?.cancel();
    this.#renewal = clock.after(leaseRenewEveryMs, () =>
      this.#call?.write({ body: { $case: 'renewal', value: {} } }),
    );
    const epoch = response.epoch as LogIndex;
    if (this.#current?.epoch === epoch) return;
    this.#current = { id, epoch };
    logger.info({ lease: id, epoch }, 'lease_granted');
    this.#tell();
  }

  #lose(): void {
    this.#end?.cancel();
    this.#end = undefined;
    if (this.#current === undefined) return;
    this.#options.logger.info(this.#current, 'lease_lost');
    this.#current = undefined;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
