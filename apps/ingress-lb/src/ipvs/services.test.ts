import { expect, test } from 'vitest';
import { sameBalancing } from '../desired/balancing.ts';
import { desiredNetwork } from '../desired/desired.ts';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { renderMarks } from './marks.ts';
import {
  markOf,
  parseServices,
  renderServiceChange,
  serversOf,
  wantedServices,
} from './services.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }] as const;
const service = serviceOf({ ports });
const balancingOf = (records: readonly ReturnType<typeof taskOf>[]) =>
  desiredNetwork(tableOf(records, { ingress: true }), options).balancing;

/** As ipvsadm writes it. */
const saved = `-A -f 1073742082 -s rr
-a -f 1073742082 -r 10.0.1.11:0 -m -w 1
-A -t 169.254.83.2:8080 -s rr
-a -t 169.254.83.2:8080 -r 10.0.1.11:80 -m -w 1
-A -f 1090519042 -6 -s rr
-a -f 1090519042 -r [fd00:1::11]:0 -6 -m -w 1
-A -t [fd53:686f:616c::2]:8080 -s rr
-a -t [fd53:686f:616c::2]:8080 -r [fd00:1::11]:80 -m -w 1
`;

test('marks come from the address, a range for each family', () => {
  expect(markOf('10.0.1.2')).toBe(0x40000102);
  expect(markOf('fd00:1::2')).toBe(0x41000002);
});

test('what ipvsadm saves is read as what is wanted', () => {
  const want = balancingOf([taskOf(11, { service })]);
  expect(renderServiceChange(parseServices(saved), wantedServices(want))).toEqual({
    first: '',
    last: '',
  });
  const servers = serversOf(parseServices(saved), want);
  expect(servers !== undefined && sameBalancing({ ...want, servers }, want)).toBe(true);
});

test('a service that nobody wants is told apart', () => {
  const want = balancingOf([taskOf(11, { service: serviceOf() })]);
  expect(serversOf(parseServices(saved), want)).toBeUndefined();
});

test('additions come first, departures last, draining has no weight', () => {
  const have = balancingOf([taskOf(11, { service }), taskOf(12, { service })]);
  const drained = taskOf(12, { service, serving: false, addresses: ['10.0.1.12'] });
  const want = balancingOf([drained, taskOf(13, { service, addresses: ['10.0.1.13'] })]);
  const change = renderServiceChange(wantedServices(have), wantedServices(want));
  expect(change.first.split('\n')).toContain('-e -f 1073742082 -r 10.0.1.12:0 -m -w 0');
  expect(change.first.split('\n')).toContain('-a -f 1073742082 -r 10.0.1.13:0 -m -w 1');
  expect(change.last.split('\n')).toContain('-d -f 1073742082 -r 10.0.1.11:0');
  expect(change.last.split('\n')).toContain('-D -f 1090519042 -6');
});

test('a virtual address without a serving task is not led anywhere', () => {
  const serving = renderMarks(balancingOf([taskOf(11)]));
  expect(serving).toContain('add element inet shoal marks4 { 10.0.1.2 : 1073742082 }');
  expect(renderMarks(balancingOf([taskOf(11, { serving: false })]))).not.toContain('add element');
});
