import {
  type CertificateSource,
  channelCredentials,
  channelOptions,
  type Proof,
  RenewableProof,
} from '@shoal/pki';
import { LogClient, type ProposeRequest, type ProposeResponse } from '@shoal/proto';
import { type Clock, systemClock } from '@shoal/runtime';
import { dial } from './dial.ts';
import type { FramedStream } from './message-stream.ts';
import { type ProposeStream, proposing } from './protocol.ts';

/**
 * A client of the voter at one address: gRPC for what follows, asks and holds leases, a connection of its own
 * for each stream of proposals.
 */
export class VoterClient extends LogClient {
  readonly #addr: string;
  readonly #source: CertificateSource;
  readonly #clock: Clock;
  readonly #streams = new Set<FramedStream<ProposeRequest, ProposeResponse>>();

  /** `of` proves this node; a source's renewals count for later connections. */
  constructor(addr: string, of: Proof | CertificateSource, clock: Clock = systemClock) {
    super(addr, channelCredentials(of), channelOptions('manager'));
    this.#addr = addr;
    this.#source = 'current' in of ? of : new RenewableProof(of);
    this.#clock = clock;
  }

  /** `forwarded`: on behalf of another voter's callers. */
  propose({ forwarded = false } = {}): ProposeStream {
    const stream = dial({
      addr: this.#addr,
      source: this.#source,
      opening: { $case: 'propose', value: { forwarded } },
      codec: proposing,
      clock: this.#clock,
    });
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return stream;
  }

  /** Ends what it has opened as well. */
  override close(): void {
    for (const stream of this.#streams) stream.fail('the client was closed');
    super.close();
  }
}
