import type { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { channelCredentials, type Proof, RenewableProof, serverCredentials } from '@shoal/pki';
import type { VoterTls } from './worker-protocol.ts';

/**
 * The voter's proof and the roots it trusts, for both sides of its connections. A renewal counts for
 * every handshake after it; connections that stand are not touched.
 */
export class VoterCredentials {
  readonly server: ServerCredentials;
  readonly channel: ChannelCredentials;
  readonly #proof: RenewableProof;

  constructor(tls: VoterTls) {
    this.#proof = new RenewableProof(proofFrom(tls));
    // Who asks for a certificate has none yet: callers without one are told apart at each call.
    this.server = serverCredentials(this.#proof, 'optional');
    this.channel = channelCredentials(this.#proof);
  }

  renew(tls: VoterTls): void {
    this.#proof.renew(proofFrom(tls));
  }
}

function proofFrom({ trustRoots, certificate, key }: VoterTls): Proof {
  return { caCertificate: trustRoots, certificate, key };
}
