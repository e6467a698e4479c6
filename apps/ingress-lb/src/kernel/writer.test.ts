import { expect, test } from 'vitest';
import { desiredNetwork } from '../desired/desired.ts';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { staleFlows } from './writer.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const task = (ending: number, serving = true) =>
  taskOf(ending, { serving, addresses: [`10.0.1.${ending}`] });
const balancingOf = (...records: ReturnType<typeof taskOf>[]) =>
  desiredNetwork(tableOf(records), options).balancing;

test('all flows to a task that is gone end', () => {
  expect(staleFlows(balancingOf(task(11), task(12)), balancingOf(task(11)))).toEqual([
    { kind: 'backend', address: '10.0.1.12' },
  ]);
});

test('of a draining task only those end that know no end', () => {
  const have = balancingOf(task(11), task(12));
  expect(staleFlows(have, balancingOf(task(11), task(12, false)))).toEqual([
    { kind: 'backend', address: '10.0.1.12', protocol: 'udp' },
  ]);
});

test('what it drained of ends when it is gone', () => {
  const have = balancingOf(task(11), task(12, false));
  expect(staleFlows(have, balancingOf(task(11)))).toEqual([
    { kind: 'backend', address: '10.0.1.12' },
  ]);
});

test('UDP that came too early begins anew', () => {
  expect(staleFlows(balancingOf(task(11, false)), balancingOf(task(11)))).toEqual([
    { kind: 'front', protocol: 'udp', address: '10.0.1.2', family: 4 },
  ]);
});

test.each([
  ['udp', 53, 5353, [{ kind: 'front', protocol: 'udp', port: 514, family: 4 }]],
  ['udp', 53, 53, []],
  // Connections that are open go on to where they went.
  ['tcp', 53, 5353, []],
] as const)('%s whose service goes from its tasks’ port %i to %i', (protocol, old, now, flows) => {
  const balancing = (target: number) => {
    const ports = [{ protocol, publishedPort: 514, targetPort: target }];
    const service = serviceOf({ virtualIps: [], ports });
    return desiredNetwork(
      tableOf([taskOf(11, { service, addresses: ['10.0.1.11'] })], { ingress: true }),
      options,
    ).balancing;
  };
  expect(staleFlows(balancing(old), balancing(now))).toEqual(flows);
});
