import type { ChannelCredentials } from '@grpc/grpc-js';
import { type CertificateSource, channelCredentials, type Proof, RenewableProof } from '@shoal/pki';
import type { VoterTls } from './worker-protocol.ts';

/**
 * The voter's proof and the roots it trusts, for both sides of its connections. A renewal counts for
 * every handshake after it; connections that stand are not touched.
 */
export class VoterCredentials {
  readonly channel: ChannelCredentials;
  readonly #proof: RenewableProof;

  constructor(tls: VoterTls) {
    this.#proof = new RenewableProof(proofFrom(tls));
    this.channel = channelCredentials(this.#proof);
  }

  get source(): CertificateSource {
    return this.#proof;
  }

  renew(tls: VoterTls): void {
    this.#proof.renew(proofFrom(tls));
  }
}

function proofFrom({ trustRoots, certificate, key }: VoterTls): Proof {
  return { caCertificate: trustRoots, certificate, key };
}
