import { status } from '@grpc/grpc-js';
import {
  type ExternallyIssued,
  externalUrls,
  issueCertificate,
  issueExternally,
  type NodeRole,
  type NodeSubject,
  provenNode,
  sameToken,
  signingRoot,
  trustRootsOf,
} from '@shoal/pki';
import type { IssueRequest, IssueResponse, ManagerAddress, VoterMember } from '@shoal/proto';
import { formatHostPort, newId, parseHostPort, within } from '@shoal/runtime';
import { type Cluster, type Node, type NodeSpec, newMeta } from '@shoal/state';
import type { MembershipOptions } from '../options.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import type { Manager } from '../standing.ts';
import { type Refusal, refused } from './refusal.ts';

/** Longest wait for the newest state before a renewal is decided on what is in memory, milliseconds. */
const freshMsMax = 2_000;
const nanosPerMilli = 1_000_000;

export type IssueOptions = Pick<MembershipOptions, 'clock' | 'random' | 'dispatcherListen'>;

/** A manager that can tell who keeps the log. */
export interface IssuingManager extends Manager {
  voters(): Promise<readonly VoterMember[]>;
}

export interface Issuance {
  readonly kind: 'issued';
  readonly reason: 'joined' | 'renewed';
  readonly response: IssueResponse;
}

/** Judges one request and answers it. A host that joins becomes a node in the state first. */
export async function issue(
  request: IssueRequest,
  manager: IssuingManager,
  address: string,
  options: IssueOptions,
): Promise<Issuance | Refusal> {
  switch (request.proof?.$case) {
    case 'joinToken':
      return join(request, request.proof.value, manager, address, options);
    case 'renewal':
      return renew(request, request.proof.value, manager, options);
    case undefined:
      return refused(status.INVALID_ARGUMENT, 'neither a join token nor a certificate is shown');
  }
}

async function join(
  request: IssueRequest,
  token: string,
  manager: IssuingManager,
  address: string,
  options: IssueOptions,
): Promise<Issuance | Refusal> {
  const { replica, sealKey } = manager;
  // A token that was rotated away on another manager must not let anybody in here.
  const fresh = await replica.catchUp();
  const { cluster } = replica.view;
  if (fresh.kind === 'failed') return refused(status.UNAVAILABLE, fresh.message);
  if (cluster === undefined) return refused(status.UNAVAILABLE, 'there is no cluster yet');
  const role = roleOfToken(cluster, sealKey, token);
  if (role === undefined)
    return refused(
      status.UNAUTHENTICATED,
      'A valid join token is necessary to join this cluster; "docker swarm join-token" on a manager prints one',
    );
  const availability = availabilityOf(request.availability);
  if (availability === undefined)
    return refused(status.INVALID_ARGUMENT, `invalid Availability: ${request.availability}`);
  const node: Node = {
    id: newId(options.random),
    meta: newMeta,
    spec: { Labels: {}, Role: role, Availability: availability },
    role,
    status: { state: 'unknown', message: '', addr: address, dispatcher: '' },
  };
  const issued = await certify(
    request,
    { nodeId: node.id, role, clusterId: cluster.id },
    cluster,
    manager,
    options,
  );
  if (issued.kind === 'refused') return issued;
  const result = await replica.propose([
    {
      id: newId(options.random),
      actor: {
        kind: 'user',
        name: 'docker swarm join',
        node: manager.identity.nodeId,
        client: address,
      },
      reason: `${request.hostname === '' ? address : request.hostname} joins as ${role}`,
      decidedAt: replica.view.index,
      changes: [{ op: 'create', table: 'node', object: node }],
    },
  ]);
  if (result.kind === 'failed') return refused(status.UNAVAILABLE, result.message);
  if (result.outcomes[0]?.kind !== 'committed')
    return refused(status.INTERNAL, 'the node could not be written');
  return { kind: 'issued', reason: 'joined', response: issued.response };
}

async function renew(
  request: IssueRequest,
  proof: { readonly certificate: string; readonly signature: Uint8Array },
  manager: IssuingManager,
  options: IssueOptions,
): Promise<Issuance | Refusal> {
  const { replica } = manager;
  await within(options.clock, freshMsMax, replica.catchUp());
  const { cluster, nodes } = replica.view;
  if (cluster === undefined) return refused(status.UNAVAILABLE, 'there is no cluster yet');
  const { certificateRequest } = request;
  const proven = provenNode(proof, certificateRequest, trustRootsOf(cluster.rootCa));
  if (proven?.clusterId !== cluster.id)
    return refused(status.PERMISSION_DENIED, 'the certificate shown is not of this swarm');
  const node = nodes.get(proven.nodeId);
  if (node === undefined || cluster.removedNodes?.[node.id] !== undefined)
    return refused(status.PERMISSION_DENIED, 'this node was removed from the swarm');
  const subject = { nodeId: node.id, role: node.role, clusterId: cluster.id };
  const issued = await certify(request, subject, cluster, manager, options);
  return issued.kind === 'refused' ? issued : { ...issued, reason: 'renewed' };
}

/** Both tokens are compared whatever the first says, in a time that does not depend on where they differ. */
function roleOfToken(
  { id, joinTokens }: Cluster,
  sealKey: Buffer,
  token: string,
): NodeRole | undefined {
  const matches = (role: NodeRole): boolean =>
    sameToken(token, openSealed(sealKey, joinTokens[role], sealedPlaces.joinToken(id, role)));
  const isManager = matches('manager');
  const isWorker = matches('worker');
  if (isManager) return 'manager';
  return isWorker ? 'worker' : undefined;
}

function availabilityOf(text: string): NodeSpec['Availability'] | undefined {
  switch (text) {
    case '':
      return 'active';
    case 'active':
    case 'pause':
    case 'drain':
      return text;
    default:
      return undefined;
  }
}

async function certify(
  { certificateRequest }: IssueRequest,
  subject: NodeSubject,
  cluster: Cluster,
  manager: IssuingManager,
  options: IssueOptions,
): Promise<{ readonly kind: 'issued'; readonly response: IssueResponse } | Refusal> {
  const { chain } = signingRoot(cluster.rootCa);
  const issued = await sign(certificateRequest, subject, cluster, manager, options);
  if (issued.kind === 'unavailable') return refused(status.UNAVAILABLE, issued.reason);
  if (issued.kind === 'refused') return refused(status.INVALID_ARGUMENT, issued.reason);
  const isManager = subject.role === 'manager';
  return {
    kind: 'issued',
    response: {
      ...subject,
      certificate: issued.certificate + chain,
      trustRoots: trustRootsOf(cluster.rootCa),
      sealKey: isManager ? manager.sealKey : Buffer.alloc(0),
      voters: isManager ? [...(await manager.voters())] : [],
      managers: managersOf(manager, options),
    },
  };
}

/** By an external authority where the cluster has one, as in Swarm; otherwise by the cluster's own key. */
async function sign(
  request: string,
  subject: NodeSubject,
  cluster: Cluster,
  manager: IssuingManager,
  { clock, random }: IssueOptions,
): Promise<ExternallyIssued> {
  const { certificate: root, key } = signingRoot(cluster.rootCa);
  const urls = externalUrls(cluster.spec.CAConfig.ExternalCAs, root, cluster.rootCa.certificate);
  if (urls.length > 0) {
    const authorities = { urls, root, proof: manager.identity, clock };
    return issueExternally({ authorities, request, subject });
  }
  if (key === undefined) {
    const reason =
      'the root key of this swarm is with an external authority, and none is configured';
    return { kind: 'unavailable', reason };
  }
  return issueCertificate({
    ca: {
      certificate: root,
      key: openSealed(manager.sealKey, key, sealedPlaces.rootKey(cluster.id)),
    },
    request,
    subject,
    now: clock.now(),
    random,
    validityMs: cluster.spec.CAConfig.NodeCertExpiry / nanosPerMilli,
  });
}

/** Every manager of the state; the dispatcher of one listens where this host's does, unless it said otherwise. */
function managersOf(
  { replica, identity }: IssuingManager,
  { dispatcherListen }: IssueOptions,
): ManagerAddress[] {
  const known = new Map(identity.managers.map((manager) => [manager.nodeId, manager]));
  const found = [...replica.view.nodes.values()].flatMap(({ id, manager }): ManagerAddress[] => {
    if (manager === undefined) return [];
    const host = parseHostPort(manager.addr)?.host ?? '';
    const usual = formatHostPort({ host, port: dispatcherListen.port });
    const dispatcherAddr = known.get(id)?.dispatcherAddr ?? usual;
    return [{ nodeId: id, logAddr: manager.addr, dispatcherAddr }];
  });
  return found.length > 0 ? found : [...identity.managers];
}
