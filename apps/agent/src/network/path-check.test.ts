import { balancerEndpointId, type HostNetwork, type NodeNetwork } from '@shoal/overlay';
import type { EndpointRecord } from '@shoal/state';
import { expect, test } from 'vitest';
import { sampleHostNetwork } from '../testing/sample-network.ts';
import { checkPaths, type PathSource } from './path-check.ts';

interface FakeNetwork {
  readonly id: string;
  readonly ingress?: boolean;
  readonly encrypted?: boolean;
  /** Other hosts in it. */
  readonly hosts: readonly string[];
}

function told({ id, ingress = false, encrypted = false, hosts }: FakeNetwork): NodeNetwork {
  return {
    id,
    name: id,
    subnets: [],
    internal: false,
    attachable: false,
    ingress,
    encrypted,
    encryptedHosts: hosts.map((nodeId) => ({ nodeId, vtep: '', publicKey: '', port: 51_820 })),
    dataPathPort: 4_789,
    balancerAddresses: [],
    options: {},
    labels: {},
  };
}

function onHost({ id, ingress = false, encrypted = false }: FakeNetwork): HostNetwork {
  return sampleHostNetwork(id, { ingress, mtu: encrypted ? 1_370 : 1_450 });
}

function balancer(networkId: string, nodeId: string): EndpointRecord {
  return {
    networkId,
    endpointId: balancerEndpointId(nodeId),
    kind: 'balancer',
    nodeId,
    vtep: '',
    addresses: [`${networkId}/${nodeId}`],
    name: '',
    containerAliases: [],
    slot: 0,
    serving: false,
  };
}

/** The networks through which each host was tried, and what came of it. */
async function tried(networks: readonly FakeNetwork[], nodes: readonly string[]) {
  const through: string[] = [];
  const source: PathSource = {
    gossipPort: 7_946,
    probes: {
      pulse: async () => true,
      tcp: async () => ({ kind: 'ok' }),
      tunnels: async ({ id }, addresses) => {
        through.push(...addresses);
        const answer = { small: true, full: id !== 'secret' };
        return new Map(addresses.map((each) => [each, answer]));
      },
    },
    reachability: () => [],
    networks: () => new Map(networks.map((each) => [each.id, onHost(each)])),
    record: (networkId, endpointId) =>
      networks
        .find(({ id }) => id === networkId)
        ?.hosts.map((node) => balancer(networkId, node))
        .find((record) => record.endpointId === endpointId),
    told: (networkId) => networks.map(told).find(({ id }) => id === networkId),
  };
  const targets = nodes.map((nodeId) => ({ nodeId, addr: '192.0.2.2' }));
  const { results } = await checkPaths(source, { id: 'c', targets, timeoutMs: 1_000 });
  const paths = results.filter(({ path }) => path.includes('overlay'));
  return { through, paths: paths.map(({ nodeId, path, ok }) => `${nodeId} ${path} ${ok}`) };
}

const plain = { id: 'plain', hosts: ['h2', 'h3'] };
const ingress = { id: 'ingress', ingress: true, hosts: ['h2'] };
const secret = { id: 'secret', encrypted: true, hosts: ['h2'] };

test.each<[string, readonly FakeNetwork[], readonly string[]]>([
  ['the ingress network where it is there', [plain, ingress], ['ingress/h2', 'plain/h3']],
  ['an encrypted one besides', [secret, ingress], ['ingress/h2', 'secret/h2']],
  ['one encrypted one is enough', [secret, { ...secret, id: 'other' }], ['secret/h2']],
  ['none', [], []],
])('a pair of hosts is tried through %s', async (_rule, networks, expected) => {
  expect((await tried(networks, ['h2', 'h3'])).through.sort()).toEqual(expected);
});

test('a path is called by the port that its packets go to', async () => {
  const { paths } = await tried([ingress, secret], ['h2']);
  expect(paths).toEqual(['h2 overlay 4789/udp true', 'h2 encrypted overlay 51820/udp false']);
});
