import { isTerminal, type Network, nodeAttachmentId, type StateView } from '@shoal/state';
import type { EncryptedHost, NodeNetwork } from './networks.ts';
import { vtepOf } from './vtep.ts';

/** Docker's driver options that we honour. */
const options = { encrypted: 'encrypted', mtu: 'com.docker.network.driver.mtu' } as const;

/**
 * The networks that a node must have, in order of their ids: those of its tasks that have not ended, those
 * of containers that are run there by hand, and the ingress network.
 */
export function nodeNetworks(view: StateView, nodeId: string): NodeNetwork[] {
  const ids = new Set<string>();
  const { ingress } = view.networks;
  if (ingress !== undefined) ids.add(ingress.id);
  for (const task of view.tasks.byNode(nodeId)) {
    if (isTerminal(task.status.state)) continue;
    for (const { networkId } of task.networks ?? []) ids.add(networkId);
  }
  for (const { kind, networkId } of view.attachments.byNode(nodeId)) {
    if (kind === 'container') ids.add(networkId);
  }
  return [...ids].sort().flatMap((id) => nodeNetwork(view, id, nodeId) ?? []);
}

/** Undefined while the network has no subnet, or when it is none of the swarm's. */
export function nodeNetwork(
  view: StateView,
  networkId: string,
  nodeId: string,
): NodeNetwork | undefined {
  const network = view.networks.get(networkId);
  if (network?.allocation === undefined) return undefined;
  const { spec, allocation } = network;
  const given = spec.DriverOptions ?? {};
  const mtu = mtuOf(network);
  const encrypted = isEncrypted(network);
  return {
    id: networkId,
    name: spec.Name,
    subnets: allocation.subnets.map(({ subnet, gateway, vni }) => ({ subnet, gateway, vni })),
    internal: spec.Internal,
    attachable: spec.Attachable,
    ingress: spec.Ingress,
    encrypted,
    ...(encrypted && { encryptedHosts: encryptedHosts(view, networkId, nodeId) }),
    ...(mtu === undefined ? {} : { mtu }),
    dataPathPort: view.cluster?.dataPathPort ?? 0,
    balancerAddresses: view.attachments.get(nodeAttachmentId(networkId, nodeId))?.addresses ?? [],
    options: given,
    labels: spec.Labels,
  };
}

/**
 * Who can encrypt and takes part, apart from `nodeId` itself. Of two nodes at one address the one that is
 * down was there before.
 */
function encryptedHosts(view: StateView, networkId: string, nodeId: string): EncryptedHost[] {
  const hosts = new Map<string, EncryptedHost>();
  for (const attachment of view.attachments.byNetwork(networkId)) {
    if (attachment.kind !== 'node' || attachment.nodeId === nodeId) continue;
    const node = view.nodes.get(attachment.nodeId);
    const key = node?.description?.Encryption;
    const vtep = vtepOf(node);
    if (node === undefined || key === undefined || vtep === '') continue;
    if (node.status.state === 'down' && hosts.has(vtep)) continue;
    hosts.set(vtep, { nodeId: node.id, vtep, publicKey: key.PublicKey, port: key.Port });
  }
  return [...hosts.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
}

/** As Docker has it: the option is there, and is not said to be false. */
export function isEncrypted({ spec }: Pick<Network, 'spec'>): boolean {
  const value = spec.DriverOptions?.[options.encrypted];
  return value !== undefined && value !== 'false' && value !== '0';
}

function mtuOf({ spec }: Network): number | undefined {
  const text = spec.DriverOptions?.[options.mtu];
  const mtu = text === undefined ? Number.NaN : Number(text);
  return Number.isSafeInteger(mtu) && mtu > 0 ? mtu : undefined;
}
