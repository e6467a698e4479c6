import { servedDigest } from '@shoal/overlay';
import { expect, test } from 'vitest';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { emptyBalancing } from './balancing.ts';
import { desiredNetwork } from './desired.ts';
import { actualDigest } from './served.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }] as const;
const records = [
  taskOf(11),
  taskOf(12, { service: serviceOf({ mode: 'dnsrr' }) }),
  taskOf(13, { serving: false }),
  taskOf(14, { service: undefined, kind: 'balancer' }),
];

test('what is whole in the kernel has the digest of its records', () => {
  const { balancing } = desiredNetwork(tableOf(records), options);
  expect(actualDigest(records, balancing, 'demo')).toBe(servedDigest(records, 'balancer'));
});

test('published ports count in the ingress network', () => {
  const record = taskOf(11, { service: serviceOf({ ports }) });
  const { balancing } = desiredNetwork(tableOf([record], { ingress: true }), options);
  expect(actualDigest([record], balancing, 'demo')).toBe(servedDigest([record], 'balancer'));
  const port = [...balancing.servers].filter(([key]) => key !== '4/tcp/8080');
  const without = { ...balancing, servers: new Map(port) };
  expect(actualDigest([record], without, 'demo')).not.toBe(servedDigest([record], 'balancer'));
});

test('where the kernel cannot balance SCTP, its ports are not missed, and others are', () => {
  const noSctp = 'the kernel does not follow SCTP';
  const sctp = { protocol: 'sctp', targetPort: 81, publishedPort: 8_081 } as const;
  const record = taskOf(11, { service: serviceOf({ ports: [...ports, sctp] }) });
  const table = tableOf([record], { ingress: true });
  const { balancing } = desiredNetwork(table, { ...options, noSctp });
  const served = servedDigest([record], 'balancer');
  expect(actualDigest([record], balancing, 'demo', noSctp)).toBe(served);
  expect(actualDigest([record], balancing, 'demo')).not.toBe(served);
  const tcp = [...balancing.servers].filter(([key]) => key !== '4/tcp/8080');
  const without = { ...balancing, servers: new Map(tcp) };
  expect(actualDigest([record], without, 'demo', noSctp)).not.toBe(served);
});

test('a task that the kernel does not have is not served', () => {
  expect(actualDigest(records, emptyBalancing, 'demo')).toBe(
    servedDigest([taskOf(12, { service: serviceOf({ mode: 'dnsrr' }) })], 'balancer'),
  );
});

test('a backend that nobody asks for shows', () => {
  const { balancing } = desiredNetwork(tableOf([taskOf(11), taskOf(21)]), options);
  expect(actualDigest([taskOf(11)], balancing, 'demo')).not.toBe(
    servedDigest([taskOf(11)], 'balancer'),
  );
});
