import { balancerEndpointId, type HostNetwork, type NodeNetwork } from '@shoal/overlay';
import type { PathCheck, PathResult, PathResults, PathTarget } from '@shoal/proto';
import type { HostPort } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import type { HostReachability } from './ports.ts';

/** Whether something came back in time; the cause says why not. */
export type Probed = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly cause: string };

/** What of a full and of a small packet came through a network's tunnels. */
export interface TunnelProbed {
  readonly small: boolean;
  readonly full: boolean;
}

export interface PathProbes {
  /** Whether anything at the address answers a connection in time, a refusal included. */
  pulse(addr: HostPort, timeoutMs: number): Promise<boolean>;
  /** Opens a connection. */
  tcp(host: string, port: number, timeoutMs: number): Promise<Probed>;
  /** Sends packets out of a network's namespace; by address. Rejects when it could not be tried. */
  tunnels(
    network: HostNetwork,
    addresses: readonly string[],
    timeoutMs: number,
  ): Promise<ReadonlyMap<string, TunnelProbed>>;
}

export interface PathSource {
  readonly gossipPort: number;
  readonly probes: PathProbes;
  reachability(): readonly HostReachability[];
  networks(): ReadonlyMap<string, HostNetwork>;
  record(networkId: string, endpointId: string): EndpointRecord | undefined;
  /** The network as the dispatcher told it. */
  told(networkId: string): NodeNetwork | undefined;
}

/** Tries to reach each target by each of the paths that hosts need between them. */
export async function checkPaths(source: PathSource, check: PathCheck): Promise<PathResults> {
  const { id, targets, timeoutMs } = check;
  const [gossip, tunnels] = await Promise.all([
    Promise.all(targets.map((target) => checkGossip(source, target, timeoutMs))),
    checkTunnels(source, targets, timeoutMs),
  ]);
  return { id, results: [...gossip.flat(), ...tunnels] };
}

async function checkGossip(
  { gossipPort, probes, reachability }: PathSource,
  { nodeId, addr }: PathTarget,
  timeoutMs: number,
): Promise<readonly PathResult[]> {
  const connected = await probes.tcp(addr, gossipPort, timeoutMs);
  const known = reachability().find((each) => each.nodeId === nodeId);
  return [
    result(nodeId, `gossip ${gossipPort}/tcp`, connected.kind === 'ok' ? '' : connected.cause),
    result(nodeId, `gossip ${gossipPort}/udp`, standingCause(known)),
  ];
}

/** Hosts try each other by UDP every second: what came of it is known. */
function standingCause(known: HostReachability | undefined): string {
  if (known === undefined) return 'the hosts have not heard of each other';
  if (known.standing === 'alive') return '';
  return `the host does not answer and counts as ${known.standing}`;
}

/**
 * One network of each kind is enough for a pair, as packets of all go the same way: of those in clear text the
 * ingress network where it is there, and one that is encrypted.
 */
async function checkTunnels(
  source: PathSource,
  targets: readonly PathTarget[],
  timeoutMs: number,
): Promise<readonly PathResult[]> {
  const networks = [...source.networks().values()].sort(
    (a, b) => Number(b.ingress) - Number(a.ingress),
  );
  const kinds = Map.groupBy(networks, ({ id }) => source.told(id)?.encrypted === true);
  const shared = new Map<HostNetwork, { readonly nodeId: string; readonly address: string }[]>();
  for (const { nodeId } of targets)
    for (const kind of kinds.values())
      for (const network of kind) {
        const record = source.record(network.id, balancerEndpointId(nodeId));
        const address = record?.addresses[0];
        if (address === undefined) continue;
        shared.set(network, [...(shared.get(network) ?? []), { nodeId, address }]);
        break;
      }
  const work = Array.from(shared, async ([network, hosts]) => {
    const addresses = hosts.map(({ address }) => address);
    const probed = await source.probes.tunnels(network, addresses, timeoutMs).catch(String);
    return hosts.map(({ nodeId, address }) => {
      const path = tunnelPath(source.told(network.id), nodeId);
      if (typeof probed === 'string') return result(nodeId, path, `not tried: ${probed}`);
      return result(nodeId, path, tunnelCause(probed.get(address), network.mtu));
    });
  });
  return (await Promise.all(work)).flat();
}

/** What must pass between the hosts: of an encrypted network WireGuard's packets alone. */
function tunnelPath(network: NodeNetwork | undefined, nodeId: string): string {
  if (network?.encrypted !== true) return `overlay ${network?.dataPathPort ?? 0}/udp`;
  const host = network.encryptedHosts?.find((each) => each.nodeId === nodeId);
  return `encrypted overlay ${host?.port ?? 0}/udp`;
}

function tunnelCause(probed: TunnelProbed | undefined, mtu: number): string {
  if (probed?.full === true) return '';
  return probed?.small === true
    ? `only small packets pass: packets of ${mtu} bytes are lost on the way (MTU)`
    : 'packets through the tunnel get no answer';
}

function result(nodeId: string, path: string, cause: string): PathResult {
  return { nodeId, path, ok: cause === '', cause };
}
