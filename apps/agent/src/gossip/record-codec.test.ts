import type { EndpointRecord } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
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

test.each([
  { what: 'a field that is missing', bent: { vtep: undefined } },
  { what: 'a field of another type', bent: { serving: 'yes' } },
  { what: 'an unknown kind', bent: { kind: 'volume' } },
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
