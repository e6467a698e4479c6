import { channelCredentials, channelOptions, type Identity, RenewableProof } from '@shoal/pki';
import { LogClient } from '@shoal/proto';
import type { Clock, Monotonic, Random } from '@shoal/runtime';

/** An own voter that was just tried in vain is not tried again for so long, if there are others; milliseconds. */
const ownAgainMs = 1_000;

/**
 * The ways to the voters of the cluster: to the own host's, and, while that does not answer, to those of the
 * other managers.
 */
export class VoterClients {
  readonly proof: RenewableProof;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #clients = new Map<string, LogClient>();
  #own: string;
  #others: readonly string[];
  #ownTriedAt: Monotonic | undefined;

  constructor(identity: Identity, clock: Clock, random: Random) {
    this.proof = new RenewableProof(identity);
    this.#clock = clock;
    this.#random = random;
    this.#own = identity.logAddr;
    this.#others = othersOf(identity);
  }

  /** For the next attempt at a stream: who asks again soon had no luck with the own voter. */
  next(): LogClient {
    const now = this.#clock.monotonic();
    const triedAt = this.#ownTriedAt;
    const isRecent = triedAt !== undefined && now - triedAt < ownAgainMs;
    // A manager that has just become one has no voter of its own yet.
    const ownFirst = this.#own !== '' && !isRecent;
    if (ownFirst || this.#others.length === 0) {
      this.#ownTriedAt = now;
      return this.#client(this.#own);
    }
    const other = this.#others[Math.floor(this.#random.next() * this.#others.length)];
    return this.#client(other ?? this.#own);
  }

  /** Other managers, or a renewed certificate: streams that stand are not touched. */
  renew(identity: Identity): void {
    this.proof.renew(identity);
    this.#own = identity.logAddr;
    this.#others = othersOf(identity);
    const known = new Set([this.#own, ...this.#others]);
    for (const [address, client] of this.#clients) {
      if (known.has(address)) continue;
      client.close();
      this.#clients.delete(address);
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(address: string): LogClient {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const credentials = channelCredentials(this.proof);
    const client = new LogClient(address, credentials, channelOptions('manager'));
    this.#clients.set(address, client);
    return client;
  }
}

function othersOf({ nodeId, managers }: Identity): readonly string[] {
  return managers.filter((manager) => manager.nodeId !== nodeId).map(({ logAddr }) => logAddr);
}
