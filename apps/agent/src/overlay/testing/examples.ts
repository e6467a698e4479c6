import type { NodeNetwork } from '@shoal/overlay';
import type { EndpointRecord } from '@shoal/state';

export const exampleOwn = { nodeId: 'node1', vtep: '192.0.2.1' };

export const exampleNetwork: NodeNetwork = {
  id: 'network1',
  name: 'demo',
  subnets: [
    { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 },
    { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', vni: 4_097 },
  ],
  internal: false,
  attachable: false,
  ingress: false,
  encrypted: false,
  dataPathPort: 4_789,
  balancerAddresses: ['10.0.1.2/24'],
  options: {},
  labels: {},
};

export function exampleRecord(
  endpointId: string,
  vtep: string,
  ...addresses: readonly string[]
): EndpointRecord {
  return {
    ...{ networkId: exampleNetwork.id, endpointId, kind: 'task', nodeId: `node of ${vtep}`, vtep },
    ...{ addresses, name: endpointId, containerAliases: [], slot: 0, serving: false },
  };
}
