import { valueBytesMax } from '@shoal/gossip';
import type { EndpointRecord, RecordPort } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { portsMax } from './port-runs.ts';
import { decodeRecord, encodeRecord, saysTheSame } from './record-codec.ts';

const task: EndpointRecord = {
  networkId: 'net',
  endpointId: 'task',
  kind: 'task',
  nodeId: 'n1',
  vtep: '192.0.2.1',
  addresses: ['10.0.1.5'],
  name: 'web.1.task',
  containerAliases: ['abc'],
  slot: 1,
  service: {
    id: 'service',
    name: 'web',
    aliases: [],
    mode: 'vip',
    virtualIps: ['10.0.1.2'],
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }],
    balance: 'lc',
  },
  serving: true,
};
const { service: _service, ...plain } = task;
const balancer: EndpointRecord = { ...plain, kind: 'balancer', name: '', slot: 0 };

test.each([task, balancer])('a record of a $kind comes out as it went in', (record) => {
  expect(decodeRecord(encodeRecord(record))).toEqual(record);
});

test('the order of fields does not count', () => {
  const turned = Object.fromEntries(Object.entries(task).reverse()) as unknown as EndpointRecord;
  expect(encodeRecord(turned)).toEqual(encodeRecord(task));
});

test('what newer hosts say besides is kept', () => {
  const newer = { ...task, weight: 7 };
  expect(decodeRecord(encodeRecord(newer))).toEqual(newer);
});

/** The task with these ports. */
function withPorts(ports: readonly RecordPort[]): EndpointRecord {
  const { service } = task;
  if (service === undefined) throw new Error('a task has a service');
  return { ...task, service: { ...service, ports } };
}

const many = (port: (at: number) => RecordPort): readonly RecordPort[] =>
  Array.from({ length: portsMax }, (_, at) => port(at));
const udp = (targetPort: number, publishedPort: number): RecordPort => {
  return { protocol: 'udp', targetPort, publishedPort };
};

test.each([
  { what: 'one after the other', ports: many((at) => udp(10_000 + at, 20_000 + at)) },
  { what: 'up to the last', ports: many((at) => udp(at, 65_536 - portsMax + at)) },
  { what: 'that lead to one', ports: many((at) => udp(5_060, 20_000 + at)) },
  { what: 'without any order', ports: many((at) => udp(65_535 - 7 * at, 20_000 + 3 * at)) },
  {
    what: 'of two protocols in turn',
    ports: many((at) => ({ ...udp(at, at), protocol: at % 2 === 0 ? 'tcp' : 'sctp' })),
  },
])('as many ports as there may be fit, $what', ({ ports }) => {
  const record = withPorts(ports);
  const value = encodeRecord(record);
  expect(value.length).toBeLessThanOrEqual(valueBytesMax);
  expect(decodeRecord(value)).toEqual(record);
});

test('ports go one by one as long as they fit: older hosts read nothing else', () => {
  const record = withPorts(many((at) => udp(at, at)).slice(0, 100));
  expect(JSON.parse(Buffer.from(encodeRecord(record)).toString())).toEqual(record);
});

test('more ports than anybody takes are too long', () => {
  const ports = [...many((at) => udp(at, at)), udp(7, 7)];
  expect(encodeRecord(withPorts(ports)).length).toBeGreaterThan(valueBytesMax);
});

test.each([
  { what: 'of no protocol', packed: [3, 0, 80, 0, 80] },
  { what: 'cut short', packed: [0, 0, 80, 0] },
  { what: 'cut short in a run', packed: [0x80, 0, 80, 0, 80, 0] },
  { what: 'beyond the last', packed: [0x80, 0xff, 0xff, 0, 80, 0, 1] },
  { what: 'more than there may be', packed: [0, 0, 80, 0, 80, 0x80, 0, 80, 0, 80, 3, 0xff] },
])('packed ports $what make it no record', ({ packed }) => {
  const said = {
    ...task,
    service: { ...task.service, ports: Buffer.from(packed).toString('base64') },
  };
  expect(decodeRecord(Buffer.from(JSON.stringify(said)))).toBeUndefined();
});

test.each([
  { what: 'a field that is missing', bent: { vtep: undefined } },
  { what: 'a field of another type', bent: { serving: 'yes' } },
  { what: 'an unknown kind', bent: { kind: 'volume' } },
  ...['10.0.0.1', '10.0.0.0/8; flush ruleset', '::ffff/129'].map((subnet) => ({
    what: `clients of ${subnet}`,
    bent: { service: { ...task.service, allowed: [subnet] } },
  })),
  { what: 'a list without end', bent: { addresses: Array(1_000).fill('10.0.1.5') } },
])('$what makes it no record', ({ bent }) => {
  expect(decodeRecord(Buffer.from(JSON.stringify({ ...task, ...bent })))).toBeUndefined();
});

test('whatever bytes there are, nothing is thrown', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(decodeRecord(bytes)).toBeUndefined();
      },
    ),
  );
});

test('what the managers cannot know makes no difference, anything else does', () => {
  const { service } = task;
  if (service === undefined) throw new Error('a task has a service');
  const told = encodeRecord({ ...task, containerAliases: [] });
  expect(saysTheSame(encodeRecord(task), told)).toBe(true);
  const steered = { ...task, service: { ...service, sourceAddress: 'masquerade' as const } };
  expect(saysTheSame(encodeRecord(steered), told)).toBe(true);
  expect(saysTheSame(encodeRecord({ ...task, serving: false }), told)).toBe(false);
  expect(saysTheSame(encodeRecord(balancer), told)).toBe(false);
});

const injected = '10.0.9.9/32 dev br0\nnetns exec shoal-4097 reboot\n#';
test.each([
  ['an address that is more than one', { addresses: [injected] }],
  ['an address with a prefix length', { addresses: ['10.0.1.5/24'] }],
  ['an address with a zone', { addresses: ['fe80::1%eth0'] }],
  ['no address at all', { addresses: [] }],
  ['a tunnel to more than an address', { vtep: injected }],
  [
    'a virtual address that is more than one',
    { service: { ...task.service, virtualIps: [injected] } },
  ],
])('%s is no record', (_what, bent) => {
  expect(decodeRecord(Buffer.from(JSON.stringify({ ...task, ...bent })))).toBeUndefined();
});

test('a host that knows no address of its own yet says so', () => {
  expect(decodeRecord(encodeRecord({ ...task, vtep: '' }))).toEqual({ ...task, vtep: '' });
});
