import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClusterCa, channelOptions, type NodeRole } from '@shoal/pki';
import { ClusterMembershipClient, type VoterMember } from '@shoal/proto';
import { freePort } from '@shoal/runtime/testing';
import type { RaftOptions } from '../../node/options.ts';
import type { Member, Membership, VoterId } from '../../types.ts';
import type { VoterClient } from '../../wire/voter-client.ts';
import { type StartVoterOptions, startVoter, type Voter } from '../start-voter.ts';
import type { VoterStatus, VoterTls } from '../worker-protocol.ts';
import { credentialsOf, newAuthority, proofOf } from './certificates.ts';
import { eventually } from './eventually.ts';
import { clientTo } from './voter-harness.ts';

/** Ten times as fast as in production, so that tests need not wait. */
const fast: Partial<RaftOptions> = { tickMs: 20, electionTicks: 10 };

/** One voter of a {@link ClusterHarness} and what it is started with. */
export interface HarnessVoter {
  readonly member: Member;
  readonly options: StartVoterOptions;
  voter: Voter;
  alive: boolean;
  /** Whether it was told that it is no member any more. */
  removed: boolean;
}

/** Several real voters on threads of their own, on loopback, with real certificates and logs. */
export class ClusterHarness {
  readonly ca: ClusterCa;
  readonly voters: HarnessVoter[] = [];
  readonly #root: string;
  readonly #raft: Partial<RaftOptions>;
  readonly #more: Partial<StartVoterOptions>;
  readonly #closers: (() => void)[] = [];

  private constructor(
    ca: ClusterCa,
    root: string,
    raft: Partial<RaftOptions>,
    more: Partial<StartVoterOptions>,
  ) {
    this.ca = ca;
    this.#root = root;
    this.#raft = raft;
    this.#more = more;
  }

  /** `raft` goes over the harness's own options, `more` over every voter's. */
  static async start(
    count: number,
    raft: Partial<RaftOptions> = {},
    more: Partial<StartVoterOptions> = {},
  ): Promise<ClusterHarness> {
    const root = await mkdtemp(join(tmpdir(), 'shoal-voters-'));
    const cluster = new ClusterHarness(await newAuthority(), root, { ...fast, ...raft }, more);
    const members: Member[] = [];
    for (let at = 1; at <= count; at += 1) members.push(await newMember(at));
    const membership = { voters: members, learners: [] };
    for (const member of members) await cluster.#start(member, membership);
    return cluster;
  }

  /** Starts a voter that is not a member yet; it knows the others. */
  async newcomer(id: number, nodeId = nodeName(id)): Promise<HarnessVoter> {
    const member = { ...(await newMember(id)), nodeId };
    const voters = this.voters.filter(({ removed }) => !removed).map((voter) => voter.member);
    return this.#start(member, { voters, learners: [member] });
  }

  voter(at: number): HarnessVoter {
    const voter = this.voters[at];
    if (voter === undefined) throw new Error(`there is no voter ${at}`);
    return voter;
  }

  /** The one that leads, once there is one that most agree on. */
  async leader(): Promise<HarnessVoter> {
    let found: HarnessVoter | undefined;
    await eventually(async () => {
      const alive = this.voters.filter((voter) => voter.alive && !voter.removed);
      const seen = await Promise.all(alive.map(({ voter }) => voter.status()));
      const leaders = seen.map(({ leaderId }) => leaderId);
      found = alive.find(({ member }, at) => {
        const agree = leaders.filter((id) => id === member.id).length;
        return seen[at]?.figures.role === 'leader' && agree > alive.length / 2;
      });
      return found !== undefined;
    }, 'the voters have a leader');
    if (found === undefined) throw new Error('unreachable');
    return found;
  }

  /** Every live voter but the leader. */
  async others(): Promise<readonly HarnessVoter[]> {
    const leader = await this.leader();
    return this.voters.filter((voter) => voter !== leader && voter.alive && !voter.removed);
  }

  async statusOf(voter: HarnessVoter): Promise<VoterStatus> {
    return voter.voter.status();
  }

  async kill(voter: HarnessVoter): Promise<void> {
    voter.alive = false;
    await voter.voter.kill();
  }

  async restart(voter: HarnessVoter): Promise<void> {
    if (voter.alive) await voter.voter.stop();
    voter.voter = await startVoter(voter.options);
    voter.voter.onRemoved(() => {
      voter.removed = true;
    });
    voter.alive = true;
  }

  /** A client of one voter, by default with that voter's own certificate. */
  client(to: HarnessVoter, tls: VoterTls = to.options.tls): VoterClient {
    const client = clientTo(to.member.addr, tls);
    this.#closers.push(() => client.close());
    return client;
  }

  proof(nodeId: string, role: NodeRole = 'manager'): Promise<VoterTls> {
    return proofOf(this.ca, nodeId, role);
  }

  /** Asks `through` to take `voter` in, as the voter's own node. */
  join(voter: HarnessVoter, through: HarnessVoter): Promise<readonly VoterMember[]> {
    const { id, nodeId, addr } = voter.member;
    return new Promise((resolve, reject) =>
      this.#membership(through, voter.options.tls).join(
        { member: { id, nodeId, addr } },
        (error, response) => (error === null ? resolve(response.voters) : reject(error)),
      ),
    );
  }

  leave(voter: HarnessVoter, through: HarnessVoter, as = voter): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#membership(through, as.options.tls).leave({ id: voter.member.id }, (error) =>
        error === null ? resolve() : reject(error),
      ),
    );
  }

  async close(): Promise<void> {
    for (const close of this.#closers) close();
    // All at once and as a crash would: nobody has to hand anything over any more.
    await Promise.all(this.voters.map(({ voter }) => voter.kill()));
    await rm(this.#root, { recursive: true, force: true });
  }

  #membership(to: HarnessVoter, tls: VoterTls): ClusterMembershipClient {
    const client = new ClusterMembershipClient(
      to.member.addr,
      credentialsOf(tls),
      channelOptions('manager'),
    );
    this.#closers.push(() => client.close());
    return client;
  }

  async #start(member: Member, membership: Membership): Promise<HarnessVoter> {
    const options: StartVoterOptions = {
      dataDir: join(this.#root, String(member.id)),
      listen: member.addr,
      voterId: member.id,
      nodeId: member.nodeId,
      membership,
      tls: await this.proof(member.nodeId),
      keys: [],
      logLevel: 'error',
      raft: this.#raft,
      ...this.#more,
    };
    const voter = await startVoter(options);
    const started: HarnessVoter = { member, options, voter, alive: true, removed: false };
    voter.onRemoved(() => {
      started.removed = true;
    });
    this.voters.push(started);
    return started;
  }
}

export function nodeName(id: number): string {
  return `node${String(id).padStart(21, '0')}`;
}

async function newMember(id: number): Promise<Member> {
  return { id: id as VoterId, nodeId: nodeName(id), addr: `127.0.0.1:${await freePort()}` };
}
