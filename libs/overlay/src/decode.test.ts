import { decodeEndpointRecord } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHostNetworkChange, decodeNodeNetwork } from './decode.ts';
import type { HostNetworkChange, NodeNetwork } from './networks.ts';
import { anyRecord, anyRecords } from './testing/records.ts';

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
/** As it is on the way: without fields that are undefined. */
const sent = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const subnets = [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 }];
const nodeNetwork: NodeNetwork = {
  id: 'n',
  name: 'demo',
  subnets,
  internal: false,
  attachable: true,
  ingress: false,
  encrypted: true,
  encryptedHosts: [{ nodeId: 'h2', vtep: '192.0.2.2', publicKey: 'k', port: 51_820 }],
  mtu: 1_400,
  dataPathPort: 4_789,
  balancerAddresses: ['10.0.1.2/24'],
  options: { encrypted: '' },
  labels: {},
};
const hostNetwork = {
  id: 'n',
  name: 'demo',
  namespace: '/run/netns/shoal-4097',
  subnets,
  internal: false,
  ingress: false,
  mtu: 1_450,
  balancerAddresses: [],
  upstreams: ['192.0.2.53:53'],
  local: [
    { endpointId: 't', sandbox: '/s', mac: '02:42:0a:00:01:05', addresses: [], networks: ['n'] },
  ],
};
const change: HostNetworkChange = {
  id: 'n',
  network: hostNetwork,
  complete: true,
  records: [],
  gone: ['a'],
};

test('every record passes as it is', () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      expect(decodeEndpointRecord(bytes(record))).toEqual({ kind: 'ok', value: sent(record) });
    }),
  );
});

test('every change of a network passes as it is', () => {
  fc.assert(
    fc.property(anyRecords, fc.boolean(), (records, complete) => {
      const value = { ...change, records, complete };
      expect(decodeHostNetworkChange(bytes(value))).toEqual({ kind: 'ok', value: sent(value) });
    }),
  );
  const removed = { id: 'n', removed: true, complete: true, records: [], gone: [] };
  expect(decodeHostNetworkChange(bytes(removed))).toEqual({ kind: 'ok', value: removed });
});

test('a network passes, with fields of a newer host and without those that need not be there', () => {
  const { mtu: _mtu, encryptedHosts: _hosts, ...least } = nodeNetwork;
  for (const value of [nodeNetwork, least, { ...nodeNetwork, zone: ['z'] }])
    expect(decodeNodeNetwork(bytes(value))).toEqual({ kind: 'ok', value });
});

type Decode = (of: Uint8Array) => { readonly kind: string; readonly message?: string };

function lacking(what: string, decode: Decode, whole: object, optional: readonly string[]) {
  return Object.keys(whole)
    .filter((field) => !optional.includes(field))
    .map((field) => ({
      decode,
      place: `${what}.${field}: `,
      value: { ...whole, [field]: undefined },
    }));
}

test.each([
  ...lacking('network', decodeNodeNetwork, nodeNetwork, ['encryptedHosts', 'mtu']),
  ...lacking('change', decodeHostNetworkChange, change, ['network']),
  ...lacking('network', (of) => inChange(of), hostNetwork, []),
  { decode: decodeNodeNetwork, place: 'network.mtu: ', value: { ...nodeNetwork, mtu: '1400' } },
  {
    decode: decodeNodeNetwork,
    place: 'network.encryptedHosts.0.nodeId: ',
    value: { ...nodeNetwork, encryptedHosts: [{}] },
  },
  {
    decode: decodeHostNetworkChange,
    place: 'change.records.0.networkId: ',
    value: { ...change, records: [{}] },
  },
])('what is wrong is named: $place', ({ decode, place, value }) => {
  expect(decode(bytes(value))).toMatchObject({
    kind: 'malformed',
    message: expect.stringContaining(place),
  });
});

function inChange(network: Uint8Array): ReturnType<Decode> {
  return decodeHostNetworkChange(
    bytes({ ...change, network: JSON.parse(Buffer.from(network).toString()) }),
  );
}
