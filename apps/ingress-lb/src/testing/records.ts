import type { HostNetwork, HostTable } from '@shoal/overlay';
import type { EndpointRecord, RecordService } from '@shoal/state';

/** A network of both families with its balancer at .241. */
export function networkOf(change: Partial<HostNetwork> = {}): HostNetwork {
  return {
    id: 'demo',
    name: 'demo',
    namespace: '/run/netns/shoal-4099',
    subnets: [
      { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_099 },
      { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', vni: 4_099 },
    ],
    internal: false,
    ingress: false,
    mtu: 1_450,
    balancerAddresses: ['10.0.1.241/24', 'fd00:1::241/64'],
    upstreams: [],
    local: [],
    ...change,
  };
}

export function serviceOf(change: Partial<RecordService> = {}): RecordService {
  return {
    id: 'whoami',
    name: 'whoami',
    aliases: [],
    mode: 'vip',
    virtualIps: ['10.0.1.2', 'fd00:1::2'],
    ports: [],
    ...change,
  };
}

/** A task with the address 10.0.1.`ending`. */
export function taskOf(ending: number, change: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    networkId: 'demo',
    endpointId: `task${ending}`,
    kind: 'task',
    nodeId: 'node',
    vtep: '192.0.2.1',
    addresses: [`10.0.1.${ending}`, `fd00:1::${ending}`],
    name: `whoami.1.task${ending}`,
    containerAliases: [],
    slot: 1,
    service: serviceOf(),
    serving: true,
    ...change,
  };
}

export function tableOf(
  records: readonly EndpointRecord[],
  network: Partial<HostNetwork> = {},
): HostTable {
  return {
    network: networkOf(network),
    records: new Map(records.map((record) => [record.endpointId, record])),
  };
}
