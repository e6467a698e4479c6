import {
  type CertificateSource,
  type Identity,
  IdentityFollower,
  type IdentityState,
} from '@shoal/pki';
import type { VoterClient } from '@shoal/raft/client';
import type { Clock, Logger, Random } from '@shoal/runtime';
import { RemoteReplica, type ReplicaStream } from '../follower/remote-replica.ts';
import { VoterClients } from './voter-clients.ts';

/** What a process has while its host is a manager. */
export interface ManagerSession {
  /** As it was at the begin; certificate and managers may be renewed meanwhile. */
  readonly identity: Identity;
  /** What proves the node, always the newest. */
  readonly proof: CertificateSource;
  readonly replica: RemoteReplica;
  /** For the next attempt at a lease: a client of the host's own voter, or of another while that is away. */
  readonly leaseClient: () => VoterClient;
}

/** What a process does while its host is a manager. */
export interface ManagerWork {
  stop(): Promise<void>;
}

export interface ManagerHostOptions {
  readonly dataDir: string;
  /** Name of the process, for the voter's logs. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly start: (session: ManagerSession) => ManagerWork;
  /** The end of a session went wrong: a programmer error. */
  readonly onFatal: (error: unknown) => void;
}

/** How far the host is on its way to be a manager. */
export type HostState =
  | { readonly kind: 'standby'; readonly reason: string }
  | { readonly kind: 'active'; readonly session: ManagerSession };

/** Follows the host's identity: works while it is that of a manager, stands by while it is not. */
export class ManagerHost {
  readonly #options: ManagerHostOptions;
  readonly #identity: IdentityFollower;
  #active: ActiveSession | undefined;
  #reason = 'the host is in no swarm';

  constructor(options: ManagerHostOptions) {
    this.#options = options;
    const { dataDir, clock, onFatal } = options;
    const become = (state: IdentityState): Promise<void> => this.#become(state);
    this.#identity = new IdentityFollower({ dataDir, clock, become, onFatal });
  }

  get state(): HostState {
    const session = this.#active?.session;
    return session === undefined
      ? { kind: 'standby', reason: this.#reason }
      : { kind: 'active', session };
  }

  async stop(): Promise<void> {
    await this.#identity.stop();
    await this.#end('the process ends');
  }

  async #become(state: IdentityState): Promise<void> {
    const { logger } = this.#options;
    if (state.kind === 'broken') {
      this.#reason = state.reason;
      logger.error({ reason: state.reason }, 'identity_broken');
      // What runs goes on: a half-written renewal is no demotion.
      return;
    }
    if (state.kind !== 'complete' || state.identity.role !== 'manager') {
      this.#reason = state.kind === 'complete' ? 'the host is a worker' : standbyReason[state.kind];
      return this.#end(this.#reason);
    }
    const { identity } = state;
    if (this.#active?.continuesAs(identity) === true) return this.#active.renew(identity);
    await this.#end('the identity changed');
    if (this.#identity.stopped) return;
    this.#active = new ActiveSession(this.#options, identity);
    logger.info({ node: identity.nodeId, voter: identity.logAddr }, 'manager_session_began');
  }

  async #end(reason: string): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    this.#active = undefined;
    await active.stop();
    this.#options.logger.info({ reason }, 'manager_session_ended');
  }
}

const standbyReason = {
  none: 'the host is in no swarm',
  locked: 'the swarm is locked: docker swarm unlock',
} as const;

class ActiveSession {
  readonly session: ManagerSession;
  readonly #work: ManagerWork;
  readonly #clients: VoterClients;
  #identity: Identity;

  constructor(options: ManagerHostOptions, identity: Identity) {
    const { name, clock, random, logger } = options;
    this.#identity = identity;
    const home = (): void => replica.reconnect('the own voter is back');
    const clients = new VoterClients(identity, clock, random, home);
    const client = (stream: ReplicaStream): VoterClient => clients.next(stream);
    const follower = `${name}@${identity.nodeId}`;
    const replica = new RemoteReplica({ client, follower, clock, random, logger });
    this.#clients = clients;
    const leaseClient = (): VoterClient => clients.next('lease');
    this.session = { identity, proof: clients.proof, replica, leaseClient };
    this.#work = options.start(this.session);
  }

  /**
   * Whether the new identity is the same manager at the same place. One that is suddenly alone may have been
   * made the swarm anew: what it had read from another manager's log need not be in its own, so it begins anew.
   */
  continuesAs(identity: Identity): boolean {
    if (hasOthers(this.#identity) && !hasOthers(identity)) return false;
    const { clusterId, nodeId, advertiseAddr, logAddr, dispatcherAddr } = this.#identity;
    return (
      identity.clusterId === clusterId &&
      identity.nodeId === nodeId &&
      identity.advertiseAddr === advertiseAddr &&
      identity.logAddr === logAddr &&
      identity.dispatcherAddr === dispatcherAddr
    );
  }

  /** Every later handshake shows and trusts what is new; what stands goes on. */
  renew(identity: Identity): void {
    this.#identity = identity;
    this.#clients.renew(identity);
  }

  async stop(): Promise<void> {
    await this.#work.stop();
    this.session.replica.stop();
    this.#clients.close();
  }
}

function hasOthers({ nodeId, managers }: Identity): boolean {
  return managers.some((manager) => manager.nodeId !== nodeId);
}
