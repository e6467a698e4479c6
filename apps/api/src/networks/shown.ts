import {
  balancerShape,
  type FilteredNetwork,
  networkServicesShape,
  networkShape,
  peersShape,
  standInLabel,
} from '@shoal/docker-api';
import type { Engine } from '@shoal/link/proxy';
import { impliedRecords } from '@shoal/overlay';
import { type Network, nodeAttachmentId, type StateView } from '@shoal/state';
import { type EngineNetwork, inspectNetwork, standIns, standsFor } from './engine-networks.ts';

/** What a list shows, and what its filters look at. */
export interface Listed extends FilteredNetwork {
  readonly shape: object;
}

/** The swarm's networks as a manager lists them. */
export function listedOfSwarm(view: StateView): Listed[] {
  return [...view.networks.values()].flatMap((network) => {
    if (network.spec.Predefined) return [];
    const shape = networkShape(network);
    return [{ ...shape, shape, inUse: isInUse(view, network) }];
  });
}

/** The ingress network is there for all services. */
export function isInUse(view: StateView, { id, spec }: Network): boolean {
  if (spec.Ingress || view.services.byNetwork(id).length > 0) return true;
  for (const _task of view.tasks.byNetwork(id)) return true;
  for (const { kind } of view.attachments.byNetwork(id)) if (kind === 'container') return true;
  return false;
}

/** Characters of the id behind the name of what stands for a network whose name was taken on the host. */
const suffixChars = 12;

/** What the engine has for networks of the swarm, as a worker shows it. */
export function shownOfEngine(standIn: EngineNetwork) {
  const { [standInLabel]: id = standIn.Id, ...labels } = standIn.Labels ?? {};
  const suffix = `-${id.slice(0, suffixChars)}`;
  const { Name } = standIn;
  return {
    ...standIn,
    Id: id,
    Name: Name.endsWith(suffix) ? Name.slice(0, -suffix.length) : Name,
    Scope: 'swarm',
    Driver: 'overlay',
    Options: null,
    Labels: labels,
  };
}

export function listedOfEngine(standIn: EngineNetwork): Listed {
  const shape = shownOfEngine(standIn);
  return { ...shape, shape, inUse: true };
}

/** A network of the swarm in full: with what stands on this host for it, and who is in it. */
export async function inspected(
  engine: Engine,
  view: StateView,
  network: Network,
  nodeId: string,
  verbose: boolean,
): Promise<object> {
  const shape = networkShape(network);
  if (network.spec.Predefined) return shape;
  const records = impliedRecords(view, network.id);
  const peers = peersShape(records);
  const Containers = await containersHere(engine, view, network, nodeId);
  return {
    ...shape,
    ...(Containers === undefined
      ? {}
      : { EnableIPv4: true, Containers, Labels: shape.Labels ?? {} }),
    ...(peers.length === 0 ? {} : { Peers: peers }),
    ...(verbose && records.length > 0 ? { Services: networkServicesShape(records) } : {}),
  };
}

/** Undefined where the network has nothing on this host, or the engine cannot be asked. */
async function containersHere(
  engine: Engine,
  view: StateView,
  network: Network,
  nodeId: string,
): Promise<object | undefined> {
  const balancer = view.attachments.get(nodeAttachmentId(network.id, nodeId));
  try {
    const [standIn] = await standIns(engine, network.id);
    if (standIn === undefined) return undefined;
    const { Containers } = await inspectNetwork(engine, `/networks/${standIn.Id}`);
    return { ...Containers, ...(balancer === undefined ? {} : balancerShape(network, balancer)) };
  } catch {
    return undefined;
  }
}

/** True for what is not to be seen as a network of its own. */
export function isStandIn(network: EngineNetwork): boolean {
  return standsFor(network) !== undefined;
}
