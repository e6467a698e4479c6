import type { Cluster, ClusterSpec, Node, StateView } from '@shoal/state';
import { apiErrors } from '../errors.ts';
import { metaShape, unlessEmpty } from './meta.ts';

/** What clients see of a trust root; base64 of DER where not PEM. */
export interface TlsShape {
  readonly TrustRoot: string;
  readonly CertIssuerSubject: string;
  readonly CertIssuerPublicKey: string;
}

/** `GET /swarm` without the tokens, and `Info.Swarm.Cluster`. */
export function clusterShape(cluster: Cluster, tls: TlsShape) {
  const { spec, defaultAddressPool } = cluster;
  return {
    ...metaShape(cluster.id, cluster.meta),
    Spec: { ...spec, Name: unlessEmpty(spec.Name), CAConfig: authorityShape(spec) },
    TLSInfo: tls,
    RootRotationInProgress: cluster.rootCa.rotation !== undefined,
    DefaultAddrPool: defaultAddressPool.length === 0 ? null : defaultAddressPool,
    SubnetSize: cluster.subnetSize,
    DataPathPort: cluster.dataPathPort,
  };
}

function authorityShape({ CAConfig }: ClusterSpec) {
  const { ExternalCAs } = CAConfig;
  if (ExternalCAs === undefined) return CAConfig;
  return { ...CAConfig, ExternalCAs: ExternalCAs.map((one) => ({ CACert: '', ...one })) };
}

export function swarmShape(
  cluster: Cluster,
  tls: TlsShape,
  tokens: { readonly Worker: string; readonly Manager: string },
) {
  return { ...clusterShape(cluster, tls), JoinTokens: tokens };
}

/** Where a member of a swarm is, and where its managers are. */
export interface MemberPlace {
  readonly nodeId: string;
  readonly addr: string;
  readonly managers: readonly { readonly nodeId: string; readonly addr: string }[];
  /** What is wrong, one sentence; empty when all is well. */
  readonly error: string;
}

/** Where this host stands, for `/info` and `/_ping`. */
export type LocalSwarm =
  | { readonly kind: 'inactive' }
  /** There is an identity that cannot be used. */
  | { readonly kind: 'error'; readonly message: string }
  /** The keys on the disk wait for `docker swarm unlock`. */
  | { readonly kind: 'locked' }
  /** On its way into the swarm. */
  | ({ readonly kind: 'pending' } & MemberPlace)
  | ({ readonly kind: 'worker' } & MemberPlace)
  | ({
      readonly kind: 'manager';
      /** Absent while there is none. */
      readonly tls: TlsShape | undefined;
      /** Absent while the state is not there yet. */
      readonly view: StateView | undefined;
    } & MemberPlace);

const nobody = { NodeID: '', NodeAddr: '', ControlAvailable: false, RemoteManagers: null };

/** What Docker says of two managers, word for word. */
export const twoManagersWarning =
  'WARNING: Running Swarm in a two-manager configuration. This configuration provides\n         no fault tolerance, and poses a high risk to lose control over the cluster.\n         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n         Swarm for fault-tolerance.';

/** `Info.Swarm`. */
export interface InfoSwarm {
  readonly NodeID: string;
  readonly NodeAddr: string;
  readonly LocalNodeState: string;
  readonly ControlAvailable: boolean;
  readonly Error: string;
  readonly RemoteManagers: readonly { readonly NodeID: string; readonly Addr: string }[] | null;
  readonly Nodes?: number;
  readonly Managers?: number;
  readonly Cluster?: ReturnType<typeof clusterShape>;
  /** Shown among those of the whole `/info`. */
  readonly Warnings?: readonly string[];
}

export function infoSwarmShape(local: LocalSwarm): InfoSwarm {
  switch (local.kind) {
    case 'inactive':
      return { ...nobody, LocalNodeState: 'inactive', Error: '' };
    case 'error':
      return { ...nobody, LocalNodeState: 'error', Error: local.message };
    case 'locked': {
      const { message } = apiErrors.locked();
      return { ...nobody, LocalNodeState: 'locked', Error: message };
    }
    case 'pending':
      return { ...memberShape(local, false), LocalNodeState: 'pending' };
    case 'worker':
      return memberShape(local, false);
    case 'manager':
      return managerShape(local);
  }
}

function memberShape({ nodeId, addr, managers, error }: MemberPlace, isManager: boolean) {
  return {
    NodeID: nodeId,
    NodeAddr: addr,
    LocalNodeState: 'active',
    ControlAvailable: isManager,
    Error: error,
    RemoteManagers: remoteManagers(managers),
  };
}

function managerShape(local: LocalSwarm & { readonly kind: 'manager' }) {
  const { view, tls } = local;
  const head = memberShape(local, true);
  if (view?.cluster === undefined || tls === undefined) return head;
  const nodes: readonly Node[] = [...view.nodes.values()];
  const managers = nodes.filter(({ role }) => role === 'manager').length;
  return {
    ...head,
    Nodes: nodes.length,
    Managers: managers,
    Cluster: clusterShape(view.cluster, tls),
    ...(managers === 2 ? { Warnings: [twoManagersWarning] } : {}),
  };
}

function remoteManagers(managers: readonly { readonly nodeId: string; readonly addr: string }[]) {
  return managers.length === 0
    ? null
    : managers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr }));
}

/** The `Swarm` header of `/_ping`. */
export function pingSwarmHeader(kind: LocalSwarm['kind']): string {
  return kind === 'worker' || kind === 'manager' ? `active/${kind}` : kind;
}
