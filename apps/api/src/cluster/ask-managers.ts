import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { channelCredentials, channelOptions, type Identity } from '@shoal/pki';
import {
  ClusterMembershipClient,
  type JoinVoterResponse,
  LogClient,
  type StatusResponse,
  type VoterMember,
} from '@shoal/proto';
import type { Member } from '@shoal/raft';
import { type Clock, errorMessage, formatHostPort, parseHostPort } from '@shoal/runtime';

const defaultPort = 2_377;
/** Longest wait for one manager to say who votes, milliseconds. */
const statusMsMax = 5_000;
/** Longest wait for a manager to be taken in: its log has to catch up first, milliseconds. */
const joinMsMax = 30_000;

/** This manager as a member of the log: where the others reach its cluster port. */
export function ownMember(identity: Identity): Member {
  const { voterId, nodeId, advertiseAddr, advertisePort, listenAddr } = identity;
  const port = advertisePort ?? parseHostPort(listenAddr)?.port ?? defaultPort;
  const addr = formatHostPort({ host: advertiseAddr, port });
  return { id: voterId as Member['id'], nodeId, addr };
}

/** Where the other managers' logs listen, as the identity remembers them. */
export function otherManagers({ nodeId, managers }: Identity): readonly string[] {
  const own = managers.filter((manager) => manager.nodeId === nodeId).map(({ logAddr }) => logAddr);
  const others = managers.map(({ logAddr }) => logAddr).filter((addr) => !own.includes(addr));
  return [...new Set(others)];
}

/** Who votes, as the first manager that answers knows; undefined when none does. */
export async function askVoters(
  identity: Identity,
  clock: Clock,
): Promise<readonly Member[] | undefined> {
  for (const address of otherManagers(identity)) {
    const client = new LogClient(address, channelCredentials(identity), channelOptions('manager'));
    try {
      const answer = await new Promise<StatusResponse>((resolve, reject) => {
        client.status(
          {},
          new Metadata(),
          { deadline: deadline(clock, statusMsMax) },
          (error, response) => (error === null ? resolve(response) : reject(error)),
        );
      });
      return answer.members
        .filter(({ learner }) => !learner)
        .flatMap(({ member }) => membersOf(member));
    } catch {
      // The next one may answer.
    } finally {
      client.close();
    }
  }
  return undefined;
}

export type Admission =
  | { readonly kind: 'member' }
  /** It will not be otherwise for this manager as it is. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unreachable'; readonly message: string };

/** Asks the managers, one after the other, to take this one into the log. One that refuses may be behind. */
export async function askAdmission(
  identity: Identity,
  member: Member,
  clock: Clock,
): Promise<Admission> {
  let last: Admission = { kind: 'unreachable', message: 'no other manager is known' };
  let refused: Admission | undefined;
  for (const address of otherManagers(identity)) {
    const client = new ClusterMembershipClient(
      address,
      channelCredentials(identity),
      channelOptions('manager'),
    );
    try {
      await new Promise<JoinVoterResponse>((resolve, reject) => {
        const { id, nodeId, addr } = member;
        const request = { member: { id, nodeId, addr } };
        client.join(
          request,
          new Metadata(),
          { deadline: deadline(clock, joinMsMax) },
          (error, response) => (error === null ? resolve(response) : reject(error)),
        );
      });
      return { kind: 'member' };
    } catch (error) {
      last = admissionOf(error, address);
      if (last.kind === 'refused') refused ??= last;
    } finally {
      client.close();
    }
  }
  return refused ?? last;
}

function admissionOf(error: unknown, address: string): Admission {
  const { code, details } = error as ServiceError;
  switch (code) {
    case status.FAILED_PRECONDITION:
    case status.PERMISSION_DENIED:
    case status.INVALID_ARGUMENT:
      return { kind: 'refused', message: details };
    default:
      return { kind: 'unreachable', message: `${address}: ${details ?? errorMessage(error)}` };
  }
}

function deadline(clock: Clock, ms: number): Date {
  return new Date(clock.now() + ms);
}

function membersOf(member: VoterMember | undefined): readonly Member[] {
  if (member === undefined) return [];
  return [{ id: member.id as Member['id'], nodeId: member.nodeId, addr: member.addr }];
}
