import { type ChannelCredentials, Metadata } from '@grpc/grpc-js';
import { type CertificateSource, channelOptions } from '@shoal/pki';
import { ClusterMembershipClient } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import type { Member } from '../types.ts';
import { VoterClient } from '../wire/voter-client.ts';
import type { LogFailure } from './served-log.ts';

/** Calls that wait for a leader at once. */
const leaderWaitersMax = 4_096;

/** Where the leader is, as this voter knows. */
export type Leadership =
  | { readonly kind: 'here' }
  | { readonly kind: 'peer'; readonly member: Member }
  /** `message` says in one sentence how many managers are missing. */
  | { readonly kind: 'none'; readonly message: string };

export type FoundLeader = Exclude<Leadership, { kind: 'none' }>;

/** Clients of the leader's services; their calls share one connection. */
export interface LeaderClients {
  readonly log: VoterClient;
  readonly membership: ClusterMembershipClient;
  close(): void;
}

/** A call with this header was passed on by another voter and is never passed on again. */
const forwardedHeader = 'forwarded';

export function forwardedMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.set(forwardedHeader, '1');
  return metadata;
}

export function isForwarded(call: { readonly metadata?: Metadata }): boolean {
  return call.metadata?.get(forwardedHeader)[0] === '1';
}

export function leaderClients(
  addr: string,
  source: CertificateSource,
  credentials: ChannelCredentials,
): LeaderClients {
  const log = new VoterClient(addr, source);
  const membership = new ClusterMembershipClient(addr, credentials, channelOptions('manager'));
  return {
    log,
    membership,
    close: () => {
      log.close();
      membership.close();
    },
  };
}

export interface LeaderRouteOptions {
  readonly current: () => Leadership;
  readonly connect: (addr: string) => LeaderClients;
  readonly clock: Clock;
  /** Longest wait for a leader, milliseconds. */
  readonly waitMsMax: number;
}

interface Waiter {
  readonly resolve: (found: FoundLeader | LogFailure) => void;
  readonly timer: Timer;
}

/** The way from this voter to the leader, wherever it is. */
export class LeaderRoute {
  readonly #options: LeaderRouteOptions;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<() => void>();
  #clients: { readonly addr: string; readonly clients: LeaderClients } | undefined;
  #known = '';

  constructor(options: LeaderRouteOptions) {
    this.#options = options;
  }

  get current(): Leadership {
    return this.#options.current();
  }

  get waitMsMax(): number {
    return this.#options.waitMsMax;
  }

  /** Something happened after which the leader may be another one. */
  check(): void {
    const { current } = this;
    if (current.kind !== 'none' && this.#waiters.size > 0) this.#release(current);
    const known = textOf(current);
    if (known === this.#known) return;
    this.#known = known;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` when there is another leader, or none. Returns the way to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The leader, after a wait of at most {@link waitMsMax}. */
  find(): Promise<FoundLeader | LogFailure> {
    const { current } = this;
    if (current.kind !== 'none') return Promise.resolve(current);
    if (this.#waiters.size >= leaderWaitersMax) {
      const message = 'too many calls wait for a leader; try again';
      return Promise.resolve({ kind: 'failed', code: 'busy', message });
    }
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(this.waitMsMax, () => {
        this.#waiters.delete(waiter);
        resolve(this.#found());
      });
      const waiter: Waiter = { resolve, timer };
      this.#waiters.add(waiter);
    });
  }

  clientsOf(member: Member): LeaderClients {
    if (this.#clients?.addr !== member.addr) {
      this.#clients?.clients.close();
      this.#clients = { addr: member.addr, clients: this.#options.connect(member.addr) };
    }
    return this.#clients.clients;
  }

  stop(): void {
    for (const { resolve, timer } of this.#waiters) {
      timer.cancel();
      resolve({ kind: 'failed', code: 'no-leader', message: 'the voter is stopping' });
    }
    this.#waiters.clear();
    this.#listeners.clear();
    this.#clients?.clients.close();
    this.#clients = undefined;
  }

  #found(): FoundLeader | LogFailure {
    const { current } = this;
    if (current.kind !== 'none') return current;
    return { kind: 'failed', code: 'no-leader', message: current.message };
  }

  #release(found: FoundLeader): void {
    for (const { resolve, timer } of this.#waiters) {
      timer.cancel();
      resolve(found);
    }
    this.#waiters.clear();
  }
}

function textOf(leadership: Leadership): string {
  if (leadership.kind !== 'peer') return leadership.kind;
  return `${leadership.member.id} ${leadership.member.addr}`;
}
