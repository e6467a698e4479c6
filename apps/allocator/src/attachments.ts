import {
  type Attachment,
  addressOf,
  attachmentsOf,
  type Change,
  contains,
  type Family,
  familyOf,
  formatCidr,
  hostsOf,
  type Network,
  newMeta,
  nodeAttachmentId,
  parseAddress,
  type StateView,
  subnetBlocks,
} from '@shoal/state';
import { type Addresses, families, type Given } from './addresses.ts';
import {
  type Blocked,
  blocked,
  networkKey,
  networkObstacle,
  noAddress,
  sentence,
} from './obstacle.ts';
import type { Pair } from './work.ts';

export interface AttachmentAnswer {
  readonly change?: Change | undefined;
  readonly waitsFor?: readonly string[] | undefined;
}

/** Gives the node its balancer's addresses in the network, or takes them away, as it needs it or not. */
export function settleBalancer(
  view: StateView,
  { networkId, nodeId }: Pair,
  addresses: Addresses,
): AttachmentAnswer {
  const id = nodeAttachmentId(networkId, nodeId);
  const existing = view.attachments.get(id);
  const network = view.networks.get(networkId);
  if (network === undefined || !needsBalancer(view, network, nodeId))
    return existing === undefined ? {} : { change: removal(existing) };
  if (existing !== undefined && existing.addresses.length > 0) return {};
  const blank: Attachment = { id, meta: newMeta, networkId, nodeId, kind: 'node', addresses: [] };
  return settled(existing, existing ?? blank, network, () => addresses.giveBalancer(network));
}

/** The ingress network is on every node; others where a task or a container of the node is in them. */
function needsBalancer(view: StateView, network: Network, nodeId: string): boolean {
  if (view.nodes.get(nodeId) === undefined || network.allocation === undefined) return false;
  if (network.spec.Ingress) return true;
  for (const task of view.tasks.byNode(nodeId))
    if (attachmentsOf(task).some(({ networkId }) => networkId === network.id)) return true;
  for (const { kind, networkId } of view.attachments.byNode(nodeId))
    if (kind === 'container' && networkId === network.id) return true;
  return false;
}

/** Gives a container that somebody runs by hand its addresses; removes what is left of a node. */
export function settleContainer(
  view: StateView,
  attachment: Attachment,
  addresses: Addresses,
): AttachmentAnswer {
  const { networkId, nodeId } = attachment;
  if (view.nodes.get(nodeId) === undefined) return { change: removal(attachment) };
  const network = view.networks.get(networkId);
  if (network === undefined) return { change: removal(attachment) };
  if (attachment.addresses.length > 0) return {};
  return settled(attachment, attachment, network, () =>
    wantedAddresses(network, attachment, addresses),
  );
}

function settled(
  existing: Attachment | undefined,
  attachment: Attachment,
  network: Network,
  give: () => Given | Blocked,
): AttachmentAnswer {
  const obstacle = networkObstacle(network.id, network);
  const given = obstacle === undefined ? give() : blocked(obstacle);
  const { problem: told, ...rest } = attachment;
  if (given.kind === 'given')
    return { change: written(existing, { ...rest, addresses: given.addresses }) };
  const block = given.kind === 'full' ? blocked(...noAddress(network, given.full)) : given;
  const waitsFor = block.obstacles.map((one) => one.waitsFor);
  const problem = sentence(block, told);
  if (problem === undefined || problem === told) return { waitsFor };
  return { change: written(existing, { ...rest, problem }), waitsFor };
}

/** The address that was asked for, and a free one of each other family. */
function wantedAddresses(
  network: Network,
  { wanted }: Attachment,
  addresses: Addresses,
): Given | Blocked {
  if (wanted === undefined) return addresses.give(network);
  const found = withPrefix(network, wanted);
  const refuse = (what: string): Blocked => {
    const message = `address ${wanted} ${what} network ${network.spec.Name}: ask for another one or for none`;
    return blocked({ kind: 'waits', waitsFor: networkKey(network.id), message });
  };
  if (found === undefined) return refuse('is no host address of');
  if (!addresses.take(network, addressOf(found))) return refuse('is taken in');
  const others: readonly Family[] = families.filter((family) => family !== familyOf(found));
  const given = addresses.give(network, others);
  if (given.kind === 'full') addresses.putBack(network, [found]);
  return given.kind === 'full' ? given : { ...given, addresses: [found, ...given.addresses] };
}

function withPrefix({ allocation }: Network, text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const block = subnetBlocks(allocation).find(({ cidr }) => contains(hostsOf(cidr), address));
  return block && formatCidr({ address, prefix: block.cidr.prefix });
}

function written(existing: Attachment | undefined, object: Attachment): Change {
  return { op: existing === undefined ? 'create' : 'update', table: 'attachment', object };
}

function removal({ id, meta }: Attachment): Change {
  return { op: 'delete', table: 'attachment', id, version: meta.version };
}
