import {
  type CertificateSource,
  channelCredentials,
  channelOptions,
  type Proof,
  RenewableProof,
} from '@shoal/pki';
import { type FollowOpening, LogClient, type LogOpening } from '@shoal/proto';
import { type Clock, systemClock } from '@shoal/runtime';
import { dial } from './dial.ts';
import type { Codec } from './message-stream.ts';
import { type FollowStream, following, type ProposeStream, proposing } from './protocol.ts';

/**
 * A client of the voter at one address: gRPC for questions and leases, a connection of its own for each stream
 * of proposals and for what follows the log.
 */
export class VoterClient extends LogClient {
  readonly #addr: string;
  readonly #source: CertificateSource;
  readonly #clock: Clock;
  readonly #streams = new Set<{ fail(reason: string): void }>();

  /** `of` proves this node; a source's renewals count for later connections. */
  constructor(addr: string, of: Proof | CertificateSource, clock: Clock = systemClock) {
    super(addr, channelCredentials(of), channelOptions('manager'));
    this.#addr = addr;
    this.#source = 'current' in of ? of : new RenewableProof(of);
    this.#clock = clock;
  }

  /**
   * `forwarded`: on behalf of another voter's callers. `follows`: who proposes follows the log too, so that news of what
   * was committed need not come at once.
   */
  propose({ forwarded = false, follows = false } = {}): ProposeStream {
    return this.#dial({ $case: 'propose', value: { forwarded, follows } }, proposing);
  }

  follow(opening: FollowOpening): FollowStream {
    return this.#dial({ $case: 'follow', value: opening }, following);
  }

  /** Ends what it has opened as well. */
  override close(): void {
    for (const stream of this.#streams) stream.fail('the client was closed');
    super.close();
  }

  #dial<Out, In>(opening: NonNullable<LogOpening['body']>, codec: Codec<Out, In>) {
    const addr = this.#addr;
    const source = this.#source;
    const clock = this.#clock;
    const stream = dial({ addr, source, opening, codec, clock });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return stream;
  }
}
