import type { Cluster, Node, StateView } from '@shoal/state';
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
    Spec: { ...spec, Name: unlessEmpty(spec.Name) },
    TLSInfo: tls,
    RootRotationInProgress: false,
    DefaultAddrPool: defaultAddressPool.length === 0 ? null : defaultAddressPool,
    SubnetSize: cluster.subnetSize,
    DataPathPort: cluster.dataPathPort,
  };
}

export function swarmShape(
  cluster: Cluster,
  tls: TlsShape,
  tokens: { readonly Worker: string; readonly Manager: string },
) {
  return { ...clusterShape(cluster, tls), JoinTokens: tokens };
}

/** Where this host stands, for `/info` and `/_ping`. */
export type LocalSwarm =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'error'; readonly message: string }
  | {
      readonly kind: 'worker';
      readonly nodeId: string;
      readonly addr: string;
      readonly managers: readonly { readonly nodeId: string; readonly addr: string }[];
    }
  | {
      readonly kind: 'manager';
      readonly nodeId: string;
      readonly addr: string;
      readonly managers: readonly { readonly nodeId: string; readonly addr: string }[];
      readonly tls: TlsShape;
      /** Absent while the state is not there yet. */
      readonly view: StateView | undefined;
      /** One sentence; empty when all is well. */
      readonly error: string;
    };

const nobody = { NodeID: '', NodeAddr: '', ControlAvailable: false, RemoteManagers: null };

/** `Info.Swarm`. */
export function infoSwarmShape(local: LocalSwarm) {
  switch (local.kind) {
    case 'inactive':
      return { ...nobody, LocalNodeState: 'inactive', Error: '' };
    case 'error':
      return { ...nobody, LocalNodeState: 'error', Error: local.message };
    case 'worker':
      return {
        NodeID: local.nodeId,
        NodeAddr: local.addr,
        LocalNodeState: 'active',
        ControlAvailable: false,
        Error: '',
        RemoteManagers: remoteManagers(local.managers),
      };
    case 'manager': {
      const { view } = local;
      const nodes: readonly Node[] = view === undefined ? [] : [...view.nodes.values()];
      const head = {
        NodeID: local.nodeId,
        NodeAddr: local.addr,
        LocalNodeState: 'active',
        ControlAvailable: true,
        Error: local.error,
        RemoteManagers: remoteManagers(local.managers),
      };
      if (view?.cluster === undefined) return head;
      return {
        ...head,
        Nodes: nodes.length,
        Managers: nodes.filter(({ role }) => role === 'manager').length,
        Cluster: clusterShape(view.cluster, local.tls),
      };
    }
  }
}

function remoteManagers(managers: readonly { readonly nodeId: string; readonly addr: string }[]) {
  return managers.length === 0
    ? null
    : managers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr }));
}

/** The `Swarm` header of `/_ping`. */
export function pingSwarmHeader(local: LocalSwarm): string {
  switch (local.kind) {
    case 'inactive':
    case 'error':
      return local.kind;
    case 'worker':
    case 'manager':
      return `active/${local.kind}`;
  }
}
