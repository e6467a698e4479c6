import type { HostNetwork, HostTable, LocalEndpoint } from '@shoal/overlay';
import type { EndpointRecord, RecordService } from '@shoal/state';

/** A network of this host for tests: `10.0.<number>.0/24`. */
export function hostNetwork(number: number, change: Partial<HostNetwork> = {}): HostNetwork {
  return {
    id: `network-${number}`,
    name: `net${number}`,
    namespace: `/run/netns/none-${number}`,
    subnets: [{ subnet: `10.0.${number}.0/24`, gateway: `10.0.${number}.1`, vni: 4096 + number }],
    internal: false,
    ingress: false,
    mtu: 1450,
    balancerAddresses: [`10.0.${number}.2/24`],
    upstreams: ['192.0.2.53:53'],
    local: [],
    ...change,
  };
}

export function service(name: string, change: Partial<RecordService> = {}): RecordService {
  return { id: `id-${name}`, name, aliases: [], mode: 'vip', virtualIps: [], ports: [], ...change };
}

/** A task's record, serving. */
export function task(
  id: string,
  address: string,
  of: RecordService | undefined,
  change: Partial<EndpointRecord> = {},
): EndpointRecord {
  const slot = change.slot ?? 1;
  return {
    networkId: 'network-1',
    endpointId: id,
    kind: of === undefined ? 'container' : 'task',
    nodeId: 'node-1',
    vtep: '192.0.2.1',
    addresses: [address],
    name: of === undefined ? id : `${of.name}.${slot}.${id}`,
    containerAliases: [],
    slot,
    service: of,
    serving: true,
    ...change,
  };
}

export function localEndpoint(
  endpointId: string,
  address: string,
  networks: readonly string[],
  upstreams?: readonly string[],
): LocalEndpoint {
  return { endpointId, sandbox: '', mac: '', addresses: [address], networks, upstreams };
}

export function table(network: HostNetwork, records: readonly EndpointRecord[]): HostTable {
  return { network, records: new Map(records.map((each) => [each.endpointId, each])) };
}
