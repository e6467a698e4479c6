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
