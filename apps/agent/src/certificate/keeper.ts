import {
  type CertificateOutcome,
  type CertificateProof,
  clockProblem,
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
/** Wall-clock time that goes by this much faster or slower than it should was set by somebody; milliseconds. */
const clockJumpMs = 1_000;

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
  /** Between the wall clock and the time that only goes on. */
  #offsetMs: number;
  #stopped = false;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#dueAt = this.#due();
    this.#offsetMs = this.#offset();
    this.#look();
  }

  /** The identity on disk changed. */
  changed(identity: Identity): void {
    const before = this.#identity;
    this.#identity = identity;
    if (identity.certificate !== before.certificate) this.#dueAt = this.#due();
    if (!sameManagers(identity.managers, before.managers)) this.#notBefore = 0;
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

  /** What failed by a wrong clock may go well by the right one. */
  #seeClock(): void {
    const offsetMs = this.#offset();
    if (Math.abs(offsetMs - this.#offsetMs) < clockJumpMs) return;
    this.#options.logger.info({ byMs: Math.round(offsetMs - this.#offsetMs) }, 'clock_set');
    this.#offsetMs = offsetMs;
    this.#notBefore = 0;
    this.#dueAt = this.#due();
  }

  #offset(): number {
    return this.#options.clock.now() - this.#options.clock.monotonic();
  }

  #pauseMs(): number {
    const waitMs = this.#notBefore - this.#options.clock.monotonic();
    return waitMs > 0 ? Math.min(waitMs, lookMs) : lookMs;
  }

  async #work(): Promise<void> {
    const { clock, logger } = this.#options;
    this.#seeClock();
    try {
      await this.#takeOver();
      const reason = this.#reason();
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
    const { certificate, managers, caCertificate } = this.#identity;
    const now = managerAddresses(swarm.view.managers, managers);
    const roots = swarm.view.trustRoots === '' ? caCertificate : swarm.view.trustRoots;
    // An own certificate that leads to none of the roots would be worth nothing: first comes another.
    const isTrustedNow = roots !== caCertificate && isTrusted(certificate, roots);
    if (sameManagers(now, managers) && !isTrustedNow) return;
    this.#identity = await this.#options.update((before) => ({
      ...before,
      managers: now,
      caCertificate: isTrusted(before.certificate, roots) ? roots : before.caCertificate,
    }));
    this.#options.logger.info({ managers: now.length }, 'managers_noted');
  }

  async #renew(reason: string): Promise<void> {
    const { request, clock, logger } = this.#options;
    const { certificate, key, caCertificate: trustRoots } = this.#identity;
    const addresses = this.#addresses();
    const proof = { kind: 'renewal', certificate, key, trustRoots } as const;
    const problem = clockProblem(certificate, clock.now());
    logger.info({ reason, problem, managers: addresses.length }, 'certificate_requested');
    const outcome = await request(addresses, proof);
    if (this.#stopped) return;
    if (outcome.kind === 'failed') {
      logger.warn({ code: outcome.code, reason: outcome.message }, 'certificate_refused');
      this.#failed();
      return;
    }
    if (outcome.nodeId !== this.#identity.nodeId)
      throw new Error(`the certificate is for another node, ${outcome.nodeId}`);
    this.#identity = await this.#options.update((before) => renewed(before, outcome));
    this.#dueAt = this.#due();
    logger.info({ reason, role: outcome.role }, 'certificate_renewed');
    // A manager that is behind, or whose clock is wrong, issues what is of no use: not at once again.
    if (this.#reason() === undefined) this.#failures = 0;
    else this.#failed();
  }

  /** The own host's authority first, then the others by chance: no manager is everybody's first. */
  #addresses(): readonly string[] {
    const { nodeId, role, logAddr, managers } = this.#identity;
    const own = role === 'manager' && logAddr !== '' ? [logAddr] : [];
    const rest = managers.flatMap((one) =>
      one.nodeId === nodeId && own.length > 0 ? [] : [one.logAddr],
    );
    const others: string[] = [];
    while (rest.length > 0)
      others.push(...rest.splice(Math.floor(this.#options.random.next() * rest.length), 1));
    return [...own, ...others];
  }

  #reason(): string | undefined {
    const { clock } = this.#options;
    return renewalReason(this.#identity, this.#swarm, clock.now(), this.#dueAt);
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
