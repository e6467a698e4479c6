import {
  type CertificateOutcome,
  type CertificateProof,
  type Identity,
  isTrusted,
  type ManagerAddress,
  nextRenewal,
  type ObtainedCertificate,
} from '@shoal/pki';
import {
  type Clock,
  errorMessage,
  type Instant,
  type Logger,
  type Random,
  type Timer,
} from '@shoal/runtime';
import { managerAddresses } from './managers.ts';
import { renewalReason, type Swarm } from './reason.ts';

/** Pauses after an attempt that came to nothing, doubled from the first to the longest; as Swarm. */
const backoffMs = { first: 5_000, most: 3_600_000 } as const;
/** How often a certificate's time is looked at, milliseconds. */
const lookMs = 30_000;

export interface CertificateKeeperOptions {
  readonly identity: Identity;
  /** Asks the managers at the addresses for a certificate. */
  readonly request: (
    addresses: readonly string[],
    proof: CertificateProof,
  ) => Promise<CertificateOutcome>;
  /** Changes the identity on disk; the change reaches everybody by its file. */
  readonly update: (change: (identity: Identity) => Identity) => Promise<Identity>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Keeps the host's certificate: asks for the next one in time, and at once when the node changes its role, the
 * root rotates, or the certificate is not valid by this host's clock. Nothing that stands is cut for it.
 */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  #identity: Identity;
  #swarm: Swarm | undefined;
  #dueAt: Instant;
  #timer: Timer | undefined;
  #working = false;
  #again = false;
  #failures = 0;
  #notBefore = 0;
  #stopped = false;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#dueAt = this.#due();
    this.#look();
  }

  /** The identity on disk changed. */
  changed(identity: Identity): void {
    const isNew = identity.certificate !== this.#identity.certificate;
    this.#identity = identity;
    if (isNew) this.#dueAt = this.#due();
    this.#look();
  }

  /** The session told something of the swarm. */
  told(swarm: Swarm): void {
    const before = this.#swarm;
    this.#swarm = swarm;
    // What was refused before may be granted now.
    if (before?.node.role !== swarm.node.role || before?.view.issuer !== swarm.view.issuer)
      this.#notBefore = 0;
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #due(): Instant {
    const { clock, random } = this.#options;
    return nextRenewal(this.#identity.certificate, clock.now(), random);
  }

  #look(): void {
    if (this.#stopped) return;
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#working = true;
    this.#again = false;
    void this.#work().finally(() => {
      this.#working = false;
      if (this.#stopped) return;
      if (this.#again) this.#look();
      else this.#timer = this.#options.clock.after(this.#pauseMs(), () => this.#look());
    });
  }

  #pauseMs(): number {
    const waitMs = this.#notBefore - this.#options.clock.monotonic();
    return waitMs > 0 ? Math.min(waitMs, lookMs) : lookMs;
  }

  async #work(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await this.#takeOver();
      const reason = renewalReason(this.#identity, this.#swarm, clock.now(), this.#dueAt);
      if (reason !== undefined && clock.monotonic() >= this.#notBefore) await this.#renew(reason);
    } catch (error) {
      logger.warn({ reason: errorMessage(error) }, 'certificate_not_kept');
      this.#failed();
    }
  }

  /** Managers and trust roots go to disk as they change: after a long sleep the host must find somebody. */
  async #takeOver(): Promise<void> {
    const swarm = this.#swarm;
    if (swarm === undefined) return;
    const { managers, caCertificate } = this.#identity;
    const now = managerAddresses(swarm.view.managers, managers);
    const roots = swarm.view.trustRoots === '' ? caCertificate : swarm.view.trustRoots;
    if (sameManagers(now, managers) && (roots === caCertificate || !this.#mayTrust(roots))) return;
    const trusted = this.#mayTrust(roots) ? roots : caCertificate;
    this.#identity = await this.#options.update((before) => ({
      ...before,
      managers: now,
      caCertificate: trusted,
    }));
    this.#options.logger.info({ managers: now.length }, 'managers_noted');
  }

  /** An own certificate that leads to none of the roots would be worth nothing: first comes another. */
  #mayTrust(roots: string): boolean {
    return isTrusted(this.#identity.certificate, roots);
  }

  async #renew(reason: string): Promise<void> {
    const { request, logger } = this.#options;
    const { certificate, key, caCertificate: trustRoots, managers } = this.#identity;
    const addresses = managers.map(({ logAddr }) => logAddr);
    const proof = { kind: 'renewal', certificate, key, trustRoots } as const;
    logger.info({ reason, managers: addresses.length }, 'certificate_requested');
    const outcome = await request(addresses, proof);
    if (this.#stopped) return;
    if (outcome.kind === 'failed') {
      logger.warn({ code: outcome.code, message: outcome.message }, 'certificate_refused');
      this.#failed();
      return;
    }
    if (outcome.nodeId !== this.#identity.nodeId)
      throw new Error(`the certificate is for another node, ${outcome.nodeId}`);
    this.#failures = 0;
    this.#identity = await this.#options.update((before) => renewed(before, outcome));
    this.#dueAt = this.#due();
    logger.info({ reason, role: outcome.role }, 'certificate_renewed');
  }

  #failed(): void {
    const { first, most } = backoffMs;
    const ceilingMs = Math.min(first * 2 ** Math.min(this.#failures, 20), most);
    const { clock, random } = this.#options;
    this.#failures += 1;
    this.#notBefore = clock.monotonic() + ceilingMs * (0.5 + 0.5 * random.next());
  }
}

/** The identity with what a manager issued; a manager's secrets come and go with the role. */
function renewed(before: Identity, issued: ObtainedCertificate): Identity {
  const { sealKey: _old, ...rest } = before;
  const managers: readonly ManagerAddress[] =
    issued.managers.length > 0 ? issued.managers : before.managers;
  const sealKey = issued.role === 'manager' ? (issued.sealKey ?? before.sealKey) : undefined;
  return {
    ...rest,
    role: issued.role,
    caCertificate: issued.trustRoots,
    certificate: issued.certificate,
    key: issued.key,
    managers: [...managers],
    ...(sealKey === undefined ? {} : { sealKey }),
  };
}

function sameManagers(a: readonly ManagerAddress[], b: readonly ManagerAddress[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
