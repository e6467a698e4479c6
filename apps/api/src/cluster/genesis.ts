import { createHash } from 'node:crypto';
import type { SwarmInit } from '@shoal/docker-api';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  newJoinToken,
  newSealKey,
  seal,
} from '@shoal/pki';
import {
  type Clock,
  formatHostPort,
  type HostPort,
  invariant,
  newId,
  type Random,
} from '@shoal/runtime';
import type { Change, Cluster, Meta, Network, Node } from '@shoal/state';
import { reachedLocally } from './addresses.ts';

/** Bytes of the digest that make a voter's number; below 2^48, so a number is exact. */
const voterIdBytes = 6;
/** Swarm's node certificates are given in nanoseconds. */
const nanosPerMilli = 1_000_000;
/** Networks of every host that services may use by name. */
const predefinedNetworks = ['host', 'bridge'] as const;

/** Places that sealed values of the cluster belong to. */
export const sealedPlaces = {
  rootKey: (clusterId: string) => `cluster/${clusterId}/root-key`,
  joinToken: (clusterId: string, role: 'worker' | 'manager') =>
    `cluster/${clusterId}/join-token/${role}`,
  registryAuth: (revisionId: string) => `revision/${revisionId}/registry-auth`,
} as const;

/** A cluster that is thought out but not yet written anywhere. */
export interface Genesis {
  readonly identity: Identity;
  readonly changes: readonly Change[];
}

export interface Place {
  readonly listen: HostPort;
  readonly advertise: string;
  readonly dispatcherPort: number;
  readonly dispatcherHost: string;
}

/** A voter's number in its cluster, the same at each start: node ids are never used again. */
export function voterIdOf(nodeId: string): number {
  const number = createHash('sha256').update(nodeId).digest().readUIntBE(0, voterIdBytes);
  return number === 0 ? 1 : number;
}

/** Makes the root of trust, the first node's certificate and what the first transaction writes. */
export async function conceive(
  request: SwarmInit,
  place: Place,
  clock: Clock,
  random: Random,
): Promise<Genesis> {
  const clusterId = newId(random);
  const nodeId = newId(random);
  const now = clock.now();
  const ca = await createClusterCa(now, random);
  const nodeKey = await createNodeKey();
  const issued = await issueCertificate({
    ca,
    request: nodeKey.request,
    subject: { nodeId, role: 'manager', clusterId },
    now,
    random,
    validityMs: request.spec.CAConfig.NodeCertExpiry / nanosPerMilli,
  });
  invariant(issued.kind === 'issued', 'an own certificate request was refused');
  const sealKey = newSealKey(random);
  const logAddr = formatHostPort({ host: place.advertise, port: place.listen.port });
  const identity: Identity = {
    clusterId,
    nodeId,
    role: 'manager',
    advertiseAddr: place.advertise,
    listenAddr: formatHostPort(place.listen),
    logAddr: reachedLocally(place.listen),
    dispatcherAddr: reachedLocally({ host: place.dispatcherHost, port: place.dispatcherPort }),
    managers: [
      {
        nodeId,
        logAddr,
        dispatcherAddr: formatHostPort({ host: place.advertise, port: place.dispatcherPort }),
      },
    ],
    caCertificate: ca.certificate,
    certificate: issued.certificate,
    key: nodeKey.key,
    sealKey,
  };
  const token = (role: 'worker' | 'manager') =>
    seal(
      sealKey,
      newJoinToken(ca.certificate, random),
      sealedPlaces.joinToken(clusterId, role),
      random,
    );
  const cluster: Cluster = {
    id: clusterId,
    meta: blankMeta,
    spec: request.spec,
    rootCa: {
      certificate: ca.certificate,
      key: seal(sealKey, ca.key, sealedPlaces.rootKey(clusterId), random),
    },
    joinTokens: { worker: token('worker'), manager: token('manager') },
    defaultAddressPool: request.defaultAddressPool,
    subnetSize: request.subnetSize,
    dataPathPort: request.dataPathPort,
  };
  const node: Node = {
    id: nodeId,
    meta: blankMeta,
    spec: { Labels: {}, Role: 'manager', Availability: request.availability },
    role: 'manager',
    status: { state: 'unknown', message: '', addr: place.advertise, dispatcher: '' },
    manager: { raftId: voterIdOf(nodeId), addr: logAddr },
  };
  const networks = predefinedNetworks.map((name): Change => {
    const object: Network = {
      id: newId(random),
      meta: blankMeta,
      spec: {
        Name: name,
        Labels: {},
        Driver: name,
        Internal: false,
        Attachable: false,
        Ingress: false,
        Predefined: true,
      },
    };
    return { op: 'create', table: 'network', object };
  });
  return {
    identity,
    changes: [
      { op: 'create', table: 'cluster', object: cluster },
      { op: 'create', table: 'node', object: node },
      ...networks,
    ],
  };
}

/** The state machine fills it in. */
export const blankMeta = { version: 0, createdAt: 0, updatedAt: 0 } as Meta;
