import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TaskAssignment } from '../assignment.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import { nodes } from '../testing/arbitrary.ts';
import { decodeAll, decodeAssignment, decodeEndpointRecord, decodeOwnNode } from './decode.ts';

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

const record: EndpointRecord = {
  networkId: 'n',
  endpointId: 't',
  kind: 'task',
  nodeId: 'h',
  vtep: '192.0.2.1',
  addresses: ['10.0.1.5'],
  name: 'web.1.t',
  containerAliases: [],
  slot: 1,
  service: {
    id: 's',
    name: 'web',
    aliases: [],
    mode: 'vip',
    virtualIps: ['10.0.1.4'],
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
  },
  serving: false,
};
const assignment: TaskAssignment = {
  taskId: 't',
  serviceId: 's',
  serviceName: 'web',
  serviceLabels: { tier: 'front' },
  slot: 1,
  nodeId: 'h',
  desired: 'running',
  template: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
  genericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
  hostPorts: [{ Protocol: 'udp', TargetPort: 53, PublishMode: 'host' }],
  localNetworks: ['host'],
  networks: [{ networkId: 'n', addresses: ['10.0.1.5/24'], driverOptions: {}, record }],
  registryAuth: 'e30',
};
const node = { id: 'h', role: 'worker', status: { addr: '192.0.2.1' } };

describe('what is whole passes as it is', () => {
  test.each([
    ['an assignment', decodeAssignment, assignment],
    ['a record', decodeEndpointRecord, record],
    ['a node', decodeOwnNode, node],
    ['one with fields of a newer host', decodeEndpointRecord, { ...record, zone: { name: 'z' } }],
    [
      'one with fields further in',
      decodeAssignment,
      { ...assignment, networks: [{ ...assignment.networks?.[0], mtu: 1_400 }] },
    ],
    [
      'a kind, a mode, a protocol and a balance of a newer host',
      decodeEndpointRecord,
      {
        ...record,
        kind: 'gateway',
        service: {
          ...record.service,
          mode: 'anycast',
          balance: 'wrr',
          ports: [{ protocol: 'quic', targetPort: 1, publishedPort: 2 }],
        },
      },
    ],
    ['a state of a newer manager', decodeAssignment, { ...assignment, desired: 'paused' }],
  ])('%s', (_what, decode, value) => {
    expect(decode(bytes(value))).toEqual({ kind: 'ok', value });
  });

  test('an assignment of a manager that knows no networks and no resources', () => {
    const { networks: _n, genericResources: _g, registryAuth: _r, ...least } = assignment;
    expect(decodeAssignment(bytes(least))).toEqual({ kind: 'ok', value: least });
  });

  test('every node that the state can hold', () => {
    fc.assert(
      fc.property(nodes, (each) => {
        const value: unknown = JSON.parse(JSON.stringify(each));
        expect(decodeOwnNode(bytes(each))).toEqual({ kind: 'ok', value });
      }),
    );
  });
});

type Decode = (of: Uint8Array) => { readonly kind: string; readonly message?: string };

/** Each field that must be there, missing and as `null`; each that may be there, as `null`. */
function cases(what: string, decode: Decode, whole: object, optional: readonly string[]) {
  return Object.keys(whole).flatMap((field) => {
    const wrong = { decode, place: `the ${what}.${field}`, value: { ...whole, [field]: null } };
    const missing = { ...wrong, value: { ...whole, [field]: undefined } };
    return optional.includes(field) ? [wrong] : [wrong, missing];
  });
}

describe('what lacks a field that somebody needs is refused, with the name of it', () => {
  test.each([
    ...cases('assignment', decodeAssignment, assignment, [
      'genericResources',
      'networks',
      'registryAuth',
    ]),
    ...cases('record', decodeEndpointRecord, record, ['service']),
    ...cases('node', decodeOwnNode, { ...node, description: {} }, ['description']),
  ])('$place of $value', ({ decode, place, value }) => {
    const decoded = decode(bytes(value));
    expect(decoded.kind).toBe('malformed');
    expect(decoded.message).toMatch(new RegExp(`^${place.replaceAll('.', '\\.')}: \\w`));
  });

  test.each([
    [decodeAssignment, { ...assignment, slot: -1 }, 'the assignment.slot'],
    [
      decodeAssignment,
      { ...assignment, template: { ContainerSpec: {} } },
      'the assignment.template',
    ],
    [
      decodeAssignment,
      {
        ...assignment,
        networks: [{ ...assignment.networks?.[0], record: { ...record, vtep: 1 } }],
      },
      'the assignment.networks.0.record.vtep',
    ],
    [decodeEndpointRecord, { ...record, addresses: [1] }, 'the record.addresses.0'],
    [
      decodeEndpointRecord,
      { ...record, addresses: ['10.0.1.5', '10.0.1.6\nlink del eth0'] },
      'the record.addresses.1',
    ],
    [decodeEndpointRecord, { ...record, vtep: '192.0.2.1 dev eth0' }, 'the record.vtep'],
    [
      decodeEndpointRecord,
      { ...record, service: { ...record.service, virtualIps: ['10.0.1.4/24'] } },
      'the record.service.virtualIps.0',
    ],
    [
      decodeAssignment,
      { ...assignment, networks: [{ ...assignment.networks?.[0], addresses: ['10.0.1.5/33'] }] },
      'the assignment.networks.0.addresses.0',
    ],
    [
      decodeEndpointRecord,
      { ...record, service: { ...record.service, ports: [{ protocol: 'tcp', targetPort: 1 }] } },
      'the record.service.ports.0.publishedPort',
    ],
    [decodeOwnNode, { ...node, status: {} }, 'the node.status.addr'],
    [
      decodeOwnNode,
      { ...node, description: { DataPathAddr: 1 } },
      'the node.description.DataPathAddr',
    ],
    [decodeOwnNode, [], 'the node'],
  ] as const)('%o of %o: %s', (decode, value, place) => {
    const decoded = decode(bytes(value));
    expect(decoded).toMatchObject({ message: expect.stringContaining(`${place}: `) });
  });

  test('bytes that are no JSON', () => {
    expect(decodeOwnNode(Buffer.alloc(0))).toMatchObject({
      message: expect.stringMatching(/^the node is no JSON: /),
    });
  });

  test('one of many', () => {
    const list = [record, { ...record, nodeId: 7 }].map(bytes);
    expect(decodeAll(list, decodeEndpointRecord)).toMatchObject({ kind: 'malformed' });
    expect(decodeAll(list.slice(0, 1), decodeEndpointRecord)).toEqual({
      kind: 'ok',
      value: [record],
    });
  });
});
