import type { Quorum, Reachability } from '@shoal/docker-api';
import { type Identity, RenewableProof } from '@shoal/pki';
import type { VoterMember } from '@shoal/proto';
import type { Membership } from '@shoal/raft';
import { auditDirectory } from '@shoal/raft/audit';
import { logDirectory } from '@shoal/raft/backup';
import { VoterClient } from '@shoal/raft/client';
import {
  type AuthorityAnswer,
  type AuthorityCall,
  startVoter,
  type Voter,
  type VoterOutcome,
  type VoterStatus,
  type VoterTls,
} from '@shoal/raft/service';
import {
  type Clock,
  invariant,
  type Logger,
  type LogLevel,
  pause,
  type Random,
  within,
} from '@shoal/runtime';
import { RemoteReplica } from '@shoal/stage';
import type { IssuingManager } from './authority/issue.ts';
import { SpecHistory } from './spec-history.ts';
import { noQuorum } from './standing.ts';

/** Pause before the voter is told again what it did not take, milliseconds. */
const insistMs = 1_000;
/** Longest wait for the voter to say how the others are, milliseconds: people wait for the answer. */
const quorumMsMax = 1_500;

export interface HostedManagerOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLevel: LogLevel;
  /** How long reads may rest on the leader's last round of heartbeats, milliseconds; 0: each has its own. */
  readonly readLeaseMs: number;
  /** Answers who asks the cluster port for a certificate. */
  readonly authority: (manager: HostedManager, call: AuthorityCall) => Promise<AuthorityAnswer>;
}

/** How a voter begins. */
export interface VoterStart {
  /** Used only while its log knows none. */
  readonly membership: Membership;
  /** Make a cluster of this voter alone, with every entry on its disk. */
  readonly recovery?: 'new-cluster';
}

/** This host as a manager, for as long as it is one: its voter and its copy of the state. */
export class HostedManager implements IssuingManager {
  readonly replica: RemoteReplica;
  readonly specs: SpecHistory;
  readonly voter: Voter;
  readonly #client: VoterClient;
  readonly #clock: Clock;
  readonly #proof: RenewableProof;
  readonly #logger: Logger;
  #identity: Identity;
  /** A question that has no answer yet: whoever asks meanwhile waits for the same. */
  #asked: Promise<VoterStatus> | undefined;
  #ended = false;

  private constructor(
    options: HostedManagerOptions,
    identity: Identity,
    proof: RenewableProof,
    voter: Voter,
  ) {
    const { clock, random, logger } = options;
    this.voter = voter;
    this.#clock = clock;
    this.#logger = logger;
    voter.onExit(() => {
      this.#ended = true;
    });
    this.#identity = identity;
    this.#proof = proof;
    this.#client = new VoterClient(identity.logAddr, proof);
    const follower = `api@${identity.nodeId}`;
    const client = (): VoterClient => this.#client;
    this.replica = new RemoteReplica({ client, follower, prompt: true, clock, random, logger });
    this.specs = new SpecHistory(this.replica);
  }

  /** @throws why the voter could not start. */
  static async open(
    options: HostedManagerOptions,
    identity: Identity,
    start: VoterStart,
  ): Promise<HostedManager> {
    let opened: HostedManager | undefined;
    const voter = await startVoter({
      dataDir: logDirectory(options.dataDir),
      auditDir: auditDirectory(options.dataDir, identity.clusterId),
      listen: identity.listenAddr,
      voterId: identity.voterId,
      nodeId: identity.nodeId,
      membership: start.membership,
      ...(start.recovery === undefined ? {} : { recovery: start.recovery }),
      tls: tlsOf(identity),
      keys: keysOf(identity),
      logLevel: options.logLevel,
      ...(options.readLeaseMs === 0 ? {} : { raft: { readLeaseMs: options.readLeaseMs } }),
      authority: async (call) =>
        opened === undefined
          ? { kind: 'error', code: unavailable, message: 'this manager is starting' }
          : options.authority(opened, call),
    });
    opened = new HostedManager(options, identity, new RenewableProof(identity), voter);
    return opened;
  }

  get identity(): Identity {
    return this.#identity;
  }

  get sealKey(): Buffer {
    const { sealKey } = this.#identity;
    invariant(sealKey !== undefined, 'a manager without seal key', { node: this.#identity.nodeId });
    return sealKey;
  }

  /** Whether the identity is that of this same manager, perhaps with another certificate. */
  continuesAs(identity: Identity): boolean {
    const { nodeId, voterId, listenAddr, logAddr } = this.#identity;
    return (
      identity.role === 'manager' &&
      identity.nodeId === nodeId &&
      identity.voterId === voterId &&
      identity.listenAddr === listenAddr &&
      identity.logAddr === logAddr
    );
  }

  /** Takes up a renewed certificate, other trust roots or other keys of the log; no stream ends. */
  renew(identity: Identity): void {
    const before = this.#identity;
    this.#identity = identity;
    const same =
      before.certificate === identity.certificate &&
      before.caCertificate === identity.caCertificate &&
      before.key === identity.key;
    if (!same) {
      this.#proof.renew(identity);
      void this.#insist('renew', () => this.voter.renew(tlsOf(this.#identity)));
    }
    if (keysOf(before).length !== keysOf(identity).length)
      void this.#insist('rotate-keys', () => this.voter.rotateKeys(keysOf(this.#identity)));
  }

  /** Until the voter has taken it, or ended. */
  async #insist(order: string, give: () => Promise<VoterOutcome>): Promise<void> {
    while (!this.#ended) {
      const outcome = await give();
      if (outcome.kind === 'done' || this.#ended) return;
      this.#logger.warn({ order, reason: outcome.message }, 'voter_order_retried');
      await pause(this.#clock, insistMs);
    }
  }

  async quorum(): Promise<Quorum> {
    this.#asked ??= this.voter.status().finally(() => {
      this.#asked = undefined;
    });
    const status = await within(this.#clock, quorumMsMax, this.#asked).catch(() => undefined);
    return status === undefined ? noQuorum : quorumOf(status);
  }

  async flushAudit(): Promise<void> {
    await this.voter.flushAudit();
  }

  async voters(): Promise<readonly VoterMember[]> {
    const { members } = await this.voter.status();
    return members.flatMap(({ member, learner }) =>
      member === undefined || learner ? [] : [member],
    );
  }

  async stop(): Promise<void> {
    this.replica.stop();
    this.#client.close();
    await this.voter.stop();
  }
}

const unavailable = 14;

/** Who leads, and whom the leader hears. Without leader nobody can say who can be reached. */
export function quorumOf({ leaderNodeId, members }: VoterStatus): Quorum {
  const reachability = new Map<string, Reachability>();
  if (leaderNodeId === '') return { leader: undefined, reachability };
  for (const { member, reachable } of members)
    if (member !== undefined)
      reachability.set(member.nodeId, reachable ? 'reachable' : 'unreachable');
  return { leader: leaderNodeId, reachability };
}

function tlsOf({ clusterId, caCertificate, certificate, key }: Identity): VoterTls {
  return { clusterId, trustRoots: caCertificate, certificate, key };
}

function keysOf({
  logKeys,
}: Identity): readonly { readonly number: number; readonly key: string }[] {
  return logKeys.map(({ number, key }) => ({ number, key: key.toString('base64') }));
}
