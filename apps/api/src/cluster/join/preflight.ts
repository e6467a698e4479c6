import { ApiError, rpcError } from '@shoal/docker-api';
import { type Clock, formatHostPort, type HostPort, type Instant, pause } from '@shoal/runtime';
import type { Connected, Probes } from './probes.ts';

/** Longest wait for a manager to accept a connection, milliseconds. */
export const connectMsMax = 5_000;
/** A larger difference of clocks breaks certificates and what people read in logs; milliseconds. */
const clockDifferenceMsMax = 60_000;

/** A host that has just left a swarm takes its networks down and lets go of their ports meanwhile, milliseconds. */
const releaseMsMax = 15_000;
const releasePollMs = 100;
const inUse = 'address already in use';

/** Port of gossip between hosts, the same in every swarm. */
const gossipPort = 7_946;

export interface OwnPorts {
  readonly cluster: HostPort;
  readonly dispatcher: HostPort;
}

interface WantedPort {
  readonly protocol: 'tcp' | 'udp';
  readonly at: HostPort;
  readonly purpose: string;
}

/** Whether this host can serve what its place in any swarm asks for. @throws ApiError for the first port that it cannot. */
export function checkOwnPorts(ports: OwnPorts, probes: Probes, clock: Clock): Promise<void> {
  const gossip = {
    at: { host: ports.cluster.host, port: gossipPort },
    purpose: 'gossip between hosts',
  };
  const wanted: readonly WantedPort[] = [
    { protocol: 'tcp', at: ports.cluster, purpose: 'the cluster port' },
    { protocol: 'tcp', at: ports.dispatcher, purpose: "agents' sessions" },
    { protocol: 'tcp', ...gossip },
    { protocol: 'udp', ...gossip },
  ];
  return checkFree(wanted, probes, clock);
}

/** Whether the tunnels of the swarm that is joined can end here. @throws ApiError */
export function checkTunnelPort(at: HostPort, probes: Probes, clock: Clock): Promise<void> {
  return checkFree([{ protocol: 'udp', at, purpose: 'overlay networks' }], probes, clock);
}

async function checkFree(
  wanted: readonly WantedPort[],
  probes: Probes,
  clock: Clock,
): Promise<void> {
  const until = clock.monotonic() + releaseMsMax;
  for (const { protocol, at, purpose } of wanted) {
    let reason = await probes.listen(protocol, at);
    while (reason === inUse && clock.monotonic() < until) {
      await pause(clock, releasePollMs);
      reason = await probes.listen(protocol, at);
    }
    if (reason !== undefined)
      throw new ApiError(
        500,
        `listen ${protocol} ${formatHostPort(at)}: bind: ${reason}: this host needs ${at.port}/${protocol} for ${purpose}; ${fixOf(reason, protocol, at.port)}`,
      );
  }
}

function fixOf(reason: string, protocol: string, port: number): string {
  switch (reason) {
    case inUse:
      return `find what holds it with "ss -lnp ${protocol === 'tcp' ? '-t' : '-u'} sport = :${port}" and stop that`;
    case 'cannot assign requested address':
      return 'name an address of this host with --listen-addr';
    case 'permission denied':
      return 'run shoal as a user who may listen there';
    default:
      return 'choose another address with --listen-addr';
  }
}

/** A manager that accepted a connection, and how this host is seen from there. */
export interface Reached {
  readonly manager: string;
  readonly from: string;
}

/** The first manager that answers. @throws ApiError when none does, about the last one tried. */
export async function reachManager(
  addresses: readonly { readonly text: string; readonly at: HostPort }[],
  probes: Probes,
): Promise<Reached> {
  let failure = '';
  let tried = '';
  for (const { text, at } of addresses) {
    const result: Connected = await probes.connect(at, connectMsMax);
    if (result.kind === 'connected') return { manager: text, from: result.from };
    failure = result.reason;
    tried = text;
  }
  throw unreachable(failure, tried);
}

export function unreachable(reason: string, address: string): ApiError {
  return rpcError(
    'Unavailable',
    `connection error: desc = "transport: Error while dialing: ${reason}": no manager answers at ${address}; check the address, that shoal runs there, and that no firewall stops the port`,
  );
}

/** Refuses a host whose clock is not that of the manager. @throws ApiError */
export function checkClock(own: Instant, managers: number, manager: string): void {
  const differenceMs = own - managers;
  if (Math.abs(differenceMs) <= clockDifferenceMsMax) return;
  const seconds = Math.round(Math.abs(differenceMs) / 1_000);
  const direction = differenceMs > 0 ? 'ahead of' : 'behind';
  throw new ApiError(
    400,
    `the clock of this host is ${seconds} seconds ${direction} that of the manager at ${manager}: set both by NTP, then join again`,
  );
}

/** Refuses a manager of another line of versions. @throws ApiError */
export function checkVersion(own: string, managers: string, manager: string): void {
  if (majorOf(own) === majorOf(managers)) return;
  throw new ApiError(
    400,
    `this host runs shoal ${own}, the manager at ${manager} runs ${managers}: install the same major version on both, then join again`,
  );
}

function majorOf(version: string): string {
  return version.split('.')[0] ?? '';
}
