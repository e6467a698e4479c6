import {
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  type ClusterMembershipServer,
  ClusterMembershipService,
  type JoinVoterRequest,
  type JoinVoterResponse,
  type LeaveVoterRequest,
  type LeaveVoterResponse,
  type LogClient,
  type VoterMember,
} from '@shoal/proto';
import {
  type Clock,
  type Logger,
  later,
  type Monotonic,
  parseHostPort,
  pause,
} from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { memberOf } from '../core/membership.ts';
import type { Member, Membership, MembershipChange, VoterId } from '../types.ts';
import type { Admission, AnyCall } from './admission.ts';
import {
  forwardedMetadata,
  isForwarded,
  type LeaderClients,
  type LeaderRoute,
} from './leader-route.ts';
import type { MembershipLog } from './served-log.ts';

/** Longest wait until a newcomer answers at the address it gave, milliseconds. */
const dialMsMax = 5_000;
/** Longest wait of one call for its change, milliseconds. What was begun goes on without it. */
const changeMsMax = 60_000;
/** Pause before a change that others hold up is tried again, milliseconds. */
const retryMs = 50;
const addrCharsMax = 255;

export interface MembershipCallsOptions {
  readonly log: MembershipLog;
  readonly route: LeaderRoute;
  readonly view: () => StateView;
  /** Who may ask to be taken in: this voter may not know yet that the node was promoted, the leader does. */
  readonly admit: (call: AnyCall) => Admission;
  /** Who may leave, and make the log let go. */
  readonly admitPresent: (call: AnyCall) => Admission;
  /** A client of the log at this address. */
  readonly dial: (addr: string) => LogClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Refusal = { readonly kind: 'refused'; readonly code: status; readonly details: string };
type Done<T> = { readonly kind: 'done'; readonly response: T } | Refusal;
/** One call: how the leader does it, and how another voter passes it on. */
interface Work<T> {
  readonly admit: (call: AnyCall) => Admission;
  /** The node it is about; nobody else may call. */
  readonly owner: string | undefined;
  readonly here: (until: Monotonic) => Promise<Done<T>>;
  readonly forward: (
    clients: LeaderClients,
    done: (error: ServiceError | null, response: T) => void,
    deadline: number,
  ) => unknown;
}
/** What the leader does about it now; `wait` when something has to happen first. */
type Step = { readonly kind: 'change'; readonly change: MembershipChange } | { kind: 'wait' };

/** The `ClusterMembership` service: newcomers and leavers, for the whole cluster. */
export class MembershipCalls {
  readonly #options: MembershipCallsOptions;

  constructor(options: MembershipCallsOptions) {
    this.#options = options;
  }

  get definition(): typeof ClusterMembershipService {
    return ClusterMembershipService;
  }

  get implementation(): ClusterMembershipServer & UntypedServiceImplementation {
    return {
      join: (
        call: ServerUnaryCall<JoinVoterRequest, JoinVoterResponse>,
        callback: sendUnaryData<JoinVoterResponse>,
      ) => this.#serve(call, callback, this.#joinWork(call)),
      leave: (
        call: ServerUnaryCall<LeaveVoterRequest, LeaveVoterResponse>,
        callback: sendUnaryData<LeaveVoterResponse>,
      ) => this.#serve(call, callback, this.#leaveWork(call)),
    };
  }

  #joinWork(call: ServerUnaryCall<JoinVoterRequest, JoinVoterResponse>): Work<JoinVoterResponse> {
    const { member } = call.request;
    const valid = member === undefined ? undefined : memberFrom(member);
    return {
      admit: this.#options.admit,
      owner: valid?.nodeId,
      forward: ({ membership }, done, deadline) =>
        membership.join(call.request, forwardedMetadata(), { deadline }, done),
      here: async (until) =>
        valid === undefined
          ? refusal(status.INVALID_ARGUMENT, 'not a member')
          : this.#join(valid, until, call),
    };
  }

  #leaveWork(
    call: ServerUnaryCall<LeaveVoterRequest, LeaveVoterResponse>,
  ): Work<LeaveVoterResponse> {
    const id = call.request.id as VoterId;
    return {
      admit: this.#options.admitPresent,
      owner: memberOf(this.#options.log.membership, id)?.nodeId,
      forward: ({ membership }, done, deadline) =>
        membership.leave(call.request, forwardedMetadata(), { deadline }, done),
      here: (until) => this.#leave(id, until),
    };
  }

  #serve<T>(call: ServerUnaryCall<unknown, T>, callback: sendUnaryData<T>, work: Work<T>): void {
    const admission = work.admit(call);
    if (admission.kind === 'refused') {
      callback(admission.error);
      return;
    }
    const forwarded = isForwarded(call);
    const { owner } = work;
    if (!forwarded && owner !== undefined && owner !== admission.nodeId) {
      const details = 'a manager joins and leaves for itself only';
      callback({ code: status.PERMISSION_DENIED, details });
      return;
    }
    void this.#route(forwarded, work).then((done) => {
      if (done.kind === 'refused') callback({ code: done.code, details: done.details });
      else callback(null, done.response);
    });
  }

  /** To the leader; again when it is another one before the work is done. */
  async #route<T>(forwarded: boolean, work: Work<T>): Promise<Done<T>> {
    const { route, clock } = this.#options;
    const until = later(clock.monotonic(), changeMsMax);
    for (;;) {
      const found = await route.find();
      if (found.kind === 'failed') return refusal(status.UNAVAILABLE, found.message);
      if (found.kind === 'peer' && forwarded)
        return refusal(status.UNAVAILABLE, 'this voter no longer leads the log; try again');
      const done =
        found.kind === 'here'
          ? await work.here(until)
          : await this.#forward(found.member, work, until);
      const again = done.kind === 'refused' && done.code === status.UNAVAILABLE;
      if (!again || clock.monotonic() > until) return done;
      await this.#pause();
    }
  }

  #forward<T>(leader: Member, work: Work<T>, until: Monotonic): Promise<Done<T>> {
    const { route, clock } = this.#options;
    const deadline = clock.now() + Math.max(0, until - clock.monotonic());
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response: T): void =>
        resolve(error === null ? { kind: 'done', response } : refusal(error.code, error.details));
      work.forward(route.clientsOf(leader), done, deadline);
    });
  }

  async #join(
    member: Member,
    until: Monotonic,
    call: { readonly cancelled: boolean },
  ): Promise<Done<JoinVoterResponse>> {
    const { log, logger, view } = this.#options;
    if (view().cluster !== undefined && view().nodes.get(member.nodeId)?.spec.Role !== 'manager')
      return refusal(status.FAILED_PRECONDITION, `node ${member.nodeId} is not to be a manager`);
    if (!isVoter(log.membership, member)) {
      const unreachable = await this.#dial(member);
      if (unreachable !== undefined) return refusal(status.FAILED_PRECONDITION, unreachable);
    }
    logger.info({ id: member.id, node: member.nodeId, addr: member.addr }, 'member_joining');
    while (!isVoter(log.membership, member)) {
      const failed = await this.#advance(joinStep(log.membership, member), until);
      if (failed !== undefined) return failed;
      // Whoever leads promotes it when it has caught up, whether or not somebody waits for it.
      if (call.cancelled) return refusal(status.CANCELLED, 'the caller has left');
    }
    return { kind: 'done', response: { voters: log.membership.voters.map(wireMember) } };
  }

  async #leave(id: VoterId, until: Monotonic): Promise<Done<LeaveVoterResponse>> {
    const { log, route, clock } = this.#options;
    // A leader that has just begun has not heard from everyone yet.
    const settled = clock.monotonic() + route.waitMsMax;
    while (memberOf(log.membership, id) !== undefined) {
      const failed = await this.#leaveStep(id, until);
      if (failed === undefined) continue;
      const early = failed.code === status.FAILED_PRECONDITION && clock.monotonic() < settled;
      if (!early) return failed;
      await this.#pause();
    }
    return { kind: 'done', response: {} };
  }

  /** The leader itself first lets another one lead. */
  async #leaveStep(id: VoterId, until: Monotonic): Promise<Refusal | undefined> {
    const { log } = this.#options;
    if (id !== log.status.id || log.membership.voters.length === 1)
      return this.#advance({ kind: 'change', change: { kind: 'remove', id } }, until);
    const moved = await log.transferLeadership();
    return moved.kind === 'failed' && moved.code === 'refused'
      ? refusal(status.FAILED_PRECONDITION, moved.message)
      : refusal(status.UNAVAILABLE, 'another voter leads now');
  }

  /** One step on the leader's log, or a wait. Why it is no use to go on, if so. */
  async #advance(step: Step, until: Monotonic): Promise<Refusal | undefined> {
    const { log, clock } = this.#options;
    if (log.status.role !== 'leader')
      return refusal(status.UNAVAILABLE, 'this voter no longer leads the log');
    if (clock.monotonic() > until)
      return refusal(status.DEADLINE_EXCEEDED, 'the change of managers takes too long');
    if (step.kind === 'change') {
      const outcome = await log.changeMembership(step.change);
      if (outcome.kind === 'committed') return undefined;
      if (outcome.code === 'refused') return refusal(status.FAILED_PRECONDITION, outcome.message);
      if (outcome.code !== 'busy') return refusal(status.UNAVAILABLE, outcome.message);
    }
    await this.#pause();
    return undefined;
  }

  /** Why the newcomer cannot be reached. */
  async #dial(member: Member): Promise<string | undefined> {
    const client = this.#options.dial(member.addr);
    const deadline = this.#options.clock.now() + dialMsMax;
    const trouble = await new Promise<string | undefined>((resolve) => {
      client.waitForReady(deadline, (unready) => {
        if (unready !== undefined) return resolve(`no connection within ${dialMsMax / 1_000} s`);
        client.status({}, forwardedMetadata(), { deadline }, (error, response) => {
          if (error !== null) resolve(error.details);
          else if (response.voterId === member.id) resolve(undefined);
          else resolve(`another manager answers there (${response.voterId}, not ${member.id})`);
        });
      });
    });
    client.close();
    if (trouble === undefined) return undefined;
    return `the leader cannot reach this manager at ${member.addr}: ${trouble}`;
  }

  #pause(): Promise<void> {
    return pause(this.#options.clock, retryMs);
  }
}

/** What stands between this membership and one in which the newcomer votes. */
function joinStep(membership: Membership, member: Member): Step {
  const known = memberOf(membership, member.id);
  if (known !== undefined && known.addr !== member.addr)
    return { kind: 'change', change: { kind: 'move', id: member.id, addr: member.addr } };
  const former = [...membership.voters, ...membership.learners].find(
    (other) => other.nodeId === member.nodeId && other.id !== member.id,
  );
  if (former !== undefined) return { kind: 'change', change: { kind: 'remove', id: former.id } };
  if (known === undefined) return { kind: 'change', change: { kind: 'add-learner', member } };
  return { kind: 'wait' };
}

function memberFrom(wire: VoterMember): Member | undefined {
  const { id, nodeId, addr } = wire;
  const valid =
    Number.isSafeInteger(id) &&
    id > 0 &&
    nodeId !== '' &&
    addr.length <= addrCharsMax &&
    parseHostPort(addr) !== undefined;
  return valid ? { id: id as VoterId, nodeId, addr } : undefined;
}

function wireMember({ id, nodeId, addr }: Member): VoterMember {
  return { id, nodeId, addr };
}

function isVoter({ voters }: Membership, { id, addr }: Member): boolean {
  return voters.some((voter) => voter.id === id && voter.addr === addr);
}

function refusal(code: status, details: string): Refusal {
  return { kind: 'refused', code, details };
}
