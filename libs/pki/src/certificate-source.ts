import type { experimental } from '@grpc/grpc-js';
import type { Identity } from './identity.ts';

type Provider = experimental.CertificateProvider;
type CaListener = Parameters<Provider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<Provider['addIdentityCertificateListener']>[0];

/** What proves a node, and whom it trusts; PEM. */
export type Proof = Pick<Identity, 'caCertificate' | 'certificate' | 'key'>;

/** A proof that is renewed now and then. */
export interface CertificateSource {
  current(): Proof;
  /** Calls `listener` after each renewal. Returns the way to stop. */
  onChange(listener: () => void): () => void;
}

export function isSource(of: Proof | CertificateSource): of is CertificateSource {
  return 'current' in of;
}

/** A source that is told of renewals. */
export class RenewableProof implements CertificateSource {
  readonly #listeners = new Set<() => void>();
  #proof: Proof;

  constructor(proof: Proof) {
    this.#proof = proof;
  }

  current(): Proof {
    return this.#proof;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** From now on handshakes show and trust this; connections that stand are not touched. */
  renew(proof: Proof): void {
    this.#proof = proof;
    for (const listener of this.#listeners) listener();
  }
}

const providers = new WeakMap<CertificateSource, Provider>();

/** The source in the form that grpc-js follows, the same for each use of a source. */
export function providerOf(source: CertificateSource): Provider {
  const known = providers.get(source);
  if (known !== undefined) return known;
  const made = new SourceProvider(source);
  providers.set(source, made);
  return made;
}

class SourceProvider implements Provider {
  readonly #source: CertificateSource;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #stop: (() => void) | undefined;

  constructor(source: CertificateSource) {
    this.#source = source;
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    this.#follow();
    // Not within the call: grpc-js is not ready for it then.
    queueMicrotask(() => {
      if (this.#caListeners.has(listener)) listener(this.#roots());
    });
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
    this.#leave();
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    this.#follow();
    queueMicrotask(() => {
      if (this.#identityListeners.has(listener)) listener(this.#identity());
    });
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
    this.#leave();
  }

  #follow(): void {
    this.#stop ??= this.#source.onChange(() => {
      for (const listener of this.#caListeners) listener(this.#roots());
      for (const listener of this.#identityListeners) listener(this.#identity());
    });
  }

  #leave(): void {
    if (this.#caListeners.size > 0 || this.#identityListeners.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #roots(): { caCertificate: Buffer } {
    return { caCertificate: Buffer.from(this.#source.current().caCertificate) };
  }

  #identity(): { certificate: Buffer; privateKey: Buffer } {
    const { certificate, key } = this.#source.current();
    return { certificate: Buffer.from(certificate), privateKey: Buffer.from(key) };
  }
}
