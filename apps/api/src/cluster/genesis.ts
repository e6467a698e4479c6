import type { SwarmInit } from '@shoal/docker-api';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  newSealKey,
  newUnlockKey,
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
import { type Change, type Cluster, type Network, type Node, newMeta } from '@shoal/state';
import { reachedLocally } from './addresses.ts';
import { sealedPlaces, sealedToken, sealedUnlockKey } from './sealed.ts';
import { newVoterId } from './voter-id.ts';

/** Swarm's node certificates are given in nanoseconds. */
const nanosPerMilli = 1_000_000;
const logKeyBytes = 32;
/** Networks of every host that services may use by name. */
const predefinedNetworks = ['host', 'bridge'] as const;

/** A cluster that is thought out but not yet written anywhere. */
export interface Genesis {
  readonly identity: Identity;
  readonly changes: readonly Change[];
  /** With what the keys on the disk are wrapped, when autolock is asked for. */
  readonly lock: { readonly unlockKey: string; readonly version: number } | undefined;
}

export interface Place {
  readonly listen: HostPort;
  /** The cluster port as other hosts reach it. */
  readonly advertise: HostPort;
  /** Whether a user named that. */
  readonly named?: boolean | undefined;
  readonly dispatcher: HostPort;
  /** Where the tunnels of the host end, when that is another address. */
  readonly dataPath?: string | undefined;
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
  const logKey = { number: 1, key: newLogKey(random) };
  const { host, port } = place.advertise;
  const logAddr = formatHostPort(place.advertise);
  const identity: Identity = {
    clusterId,
    nodeId,
    role: 'manager',
    voterId: newVoterId(random),
    advertiseAddr: host,
    ...(place.named === undefined ? {} : { advertiseNamed: place.named }),
    ...(port === place.listen.port ? {} : { advertisePort: port }),
    ...(place.dataPath === undefined ? {} : { dataPathAddr: place.dataPath }),
    listenAddr: formatHostPort(place.listen),
    logAddr: reachedLocally(place.listen),
    dispatcherAddr: reachedLocally(place.dispatcher),
    managers: [
      {
        nodeId,
        logAddr,
        dispatcherAddr: formatHostPort({ host, port: place.dispatcher.port }),
      },
    ],
    caCertificate: ca.certificate,
    certificate: issued.certificate,
    key: nodeKey.key,
    sealKey,
    logKeys: [logKey],
  };
  const token = (role: 'worker' | 'manager') =>
    sealedToken(sealKey, clusterId, role, ca.certificate, random);
  const autoLock = request.spec.EncryptionConfig.AutoLockManagers;
  const lock = autoLock ? { unlockKey: newUnlockKey(random), version: 1 } : undefined;
  const unlockKey = lock && sealedUnlockKey(sealKey, clusterId, lock, random);
  const cluster: Cluster = {
    id: clusterId,
    meta: newMeta,
    spec: request.spec,
    rootCa: {
      certificate: ca.certificate,
      key: seal(sealKey, ca.key, sealedPlaces.rootKey(clusterId), random),
    },
    joinTokens: { worker: token('worker'), manager: token('manager') },
    ...(unlockKey === undefined ? {} : { unlockKey }),
    defaultAddressPool: request.defaultAddressPool,
    subnetSize: request.subnetSize,
    dataPathPort: request.dataPathPort,
    ingressMade: true,
  };
  const node: Node = {
    id: nodeId,
    meta: newMeta,
    spec: { Labels: {}, Role: 'manager', Availability: request.availability },
    role: 'manager',
    status: { state: 'unknown', message: '', addr: host, dispatcher: '' },
    manager: { raftId: identity.voterId, addr: logAddr },
  };
  const networks = predefinedNetworks.map((name): Change => {
    const object: Network = {
      id: newId(random),
      meta: newMeta,
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
    lock,
    changes: [
      { op: 'create', table: 'cluster', object: cluster },
      { op: 'create', table: 'node', object: node },
      ...networks,
      { op: 'create', table: 'network', object: ingressNetwork(random) },
    ],
  };
}

/** The network of the routing mesh, as every swarm begins with it; the allocator gives it its subnet. */
export function ingressNetwork(random: Random): Network {
  return {
    id: newId(random),
    meta: newMeta,
    spec: {
      Name: 'ingress',
      Labels: {},
      Driver: 'overlay',
      Internal: false,
      Attachable: false,
      Ingress: true,
      Predefined: false,
      Scope: 'swarm',
    },
  };
}

/** A key that the log on this disk is sealed with; never leaves the host. */
export function newLogKey(random: Random): Buffer {
  return Buffer.from(random.bytes(logKeyBytes));
}
