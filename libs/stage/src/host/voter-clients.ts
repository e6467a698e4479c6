import { connectivityState } from '@grpc/grpc-js';
import { type Identity, RenewableProof } from '@shoal/pki';
import { VoterClient } from '@shoal/raft/client';
import type { Clock, Random, Timer } from '@shoal/runtime';

/** How long a stream that had to turn to another host's voter stays there at least, milliseconds. */
export const awayMsMin = 10_000;
/** How often it is looked whether the own voter is back, after that; milliseconds. */
export const homeLookMs = 2_000;
/**
 * A voter that has not taken the connection by then is passed over: doubled for each time in a row, for hosts
 * that are only slow. Milliseconds.
 */
export const connectMs = { first: 2_000, most: 16_000 } as const;

/** What a process has streams to voters for; each goes its own way. */
export type VoterStream = 'follow' | 'propose' | 'lease';

interface Way {
  /** Whom to try next, in order; empty: begin anew with the own voter. */
  round: string[];
  /** Whom the stream was last sent to. */
  at: string;
}

interface Known {
  readonly client: VoterClient;
  /** Looks whether the connection came about. */
  check: Timer | undefined;
}

/**
 * The ways to the voters of the cluster: to the own host's first, and while that does not answer to those of
 * the other managers, one after the other in an order of chance.
 */
export class VoterClients {
  readonly proof: RenewableProof;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onHome: () => void;
  readonly #known = new Map<string, Known>();
  readonly #slow = new Map<string, number>();
  readonly #ways = new Map<VoterStream, Way>();
  #own = '';
  #others: readonly string[] = [];
  #home: Timer | undefined;
  #closed = false;

  /** `onHome`: the own voter can be reached, and streams are with others. */
  constructor(identity: Identity, clock: Clock, random: Random, onHome: () => void) {
    this.proof = new RenewableProof(identity);
    this.#clock = clock;
    this.#random = random;
    this.#onHome = onHome;
    this.#place(identity);
  }

  /** The client for the next attempt at a stream: the voter of the last one failed, or is gone. */
  next(stream: VoterStream): VoterClient {
    const way = this.#ways.get(stream) ?? { round: [], at: '' };
    way.round = way.round.filter((address) => this.#isMember(address));
    if (way.round.length === 0) way.round = this.#newRound();
    way.at = way.round.shift() ?? this.#own;
    this.#ways.set(stream, way);
    this.#dropStrangers();
    if (way.at !== this.#own) this.#lookHome(awayMsMin);
    return this.#client(way.at);
  }

  /** Takes other managers, or a renewed certificate: streams that stand are not touched. */
  renew(identity: Identity): void {
    this.proof.renew(identity);
    this.#place(identity);
    this.#dropStrangers();
  }

  close(): void {
    this.#closed = true;
    this.#home?.cancel();
    for (const address of [...this.#known.keys()]) this.#drop(address);
  }

  #place({ nodeId, logAddr, managers }: Identity): void {
    this.#own = logAddr;
    this.#others = managers.flatMap((one) => (one.nodeId === nodeId ? [] : [one.logAddr]));
  }

  #isMember(address: string): boolean {
    return address === this.#own || this.#others.includes(address);
  }

  /** Who is no manager any more ends the streams itself. */
  #dropStrangers(): void {
    const inUse = new Set([...this.#ways.values()].map(({ at }) => at));
    for (const address of [...this.#known.keys()])
      if (!this.#isMember(address) && !inUse.has(address)) this.#drop(address);
  }

  #newRound(): string[] {
    const rest = [...this.#others];
    // A manager that has just become one has no voter of its own yet.
    const round = this.#own === '' && rest.length > 0 ? [] : [this.#own];
    while (rest.length > 0)
      round.push(...rest.splice(Math.floor(this.#random.next() * rest.length), 1));
    return round;
  }

  #client(address: string): VoterClient {
    let known = this.#known.get(address);
    if (known === undefined) {
      const client = new VoterClient(address, this.proof, this.#clock);
      known = { client, check: undefined };
      this.#known.set(address, known);
    }
    this.#watchConnection(address, known);
    return known.client;
  }

  /** A host that does not even refuse would hold a stream for minutes. */
  #watchConnection(address: string, known: Known): void {
    if (known.check !== undefined || isReady(known.client)) return;
    const times = this.#slow.get(address) ?? 0;
    const delayMs = Math.min(connectMs.first * 2 ** times, connectMs.most);
    known.check = this.#clock.after(delayMs, () => {
      known.check = undefined;
      if (isReady(known.client)) {
        this.#slow.delete(address);
        return;
      }
      this.#slow.set(address, Math.min(times + 1, 8));
      this.#drop(address);
    });
  }

  #drop(address: string): void {
    const known = this.#known.get(address);
    this.#known.delete(address);
    known?.check?.cancel();
    known?.client.close();
  }

  #lookHome(delayMs: number): void {
    if (this.#own === '') return;
    this.#home ??= this.#clock.after(delayMs, () => {
      this.#home = undefined;
      if (this.#closed) return;
      const away = [...this.#ways].filter(
        ([stream, { at }]) => stream !== 'lease' && at !== this.#own,
      );
      if (away.length === 0) return;
      if (!isReady(this.#client(this.#own))) {
        this.#lookHome(homeLookMs);
        return;
      }
      for (const [, way] of away) way.round = [];
      this.#onHome();
    });
  }
}

/** Whether the client is connected; an idle one begins to connect. */
function isReady(client: VoterClient): boolean {
  return client.getChannel().getConnectivityState(true) === connectivityState.READY;
}
