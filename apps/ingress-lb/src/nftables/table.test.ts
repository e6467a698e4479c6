import { expect, test } from 'vitest';
import { desiredNetwork } from '../desired/desired.ts';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { readBalancing } from './read.ts';
import { renderChange, renderWhole, unsupported } from './table.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const ports = [{ protocol: 'udp', targetPort: 53, publishedPort: 5_353 }] as const;
const service = serviceOf({ ports, virtualIps: ['10.0.1.2'] });
const task = (ending: number, change = {}) =>
  taskOf(ending, { service, addresses: [`10.0.1.${ending}`], ...change });
const balancingOf = (records: readonly ReturnType<typeof taskOf>[], ingress = true) =>
  desiredNetwork(tableOf(records, { ingress }), options).balancing;

test('the whole table replaces the former one in one transaction', () => {
  const text = renderWhole(balancingOf([task(11), task(12, { serving: false })]));
  expect(text.startsWith('table inet shoal\ndelete table inet shoal\ntable inet shoal {')).toBe(
    true,
  );
  expect(text).toContain(
    'add rule inet shoal vip_10.0.1.2 dnat ip to numgen inc mod 1 map { 0 : 10.0.1.11 } comment "whoami"',
  );
  expect(text).toContain('add element inet shoal ports4 { udp . 5353 : goto port4_udp_5353 }');
});

test('nothing is written when nothing changes', () => {
  const balancing = balancingOf([task(11)]);
  expect(renderChange(balancing, balancingOf([task(11)]))).toBe('');
});

test('a change touches the one service alone', () => {
  const other = taskOf(21, { service: serviceOf({ id: 'other', virtualIps: ['10.0.1.3'] }) });
  const change = renderChange(
    balancingOf([task(11), other]),
    balancingOf([task(11), task(12), other]),
  );
  expect(change).toBe(
    [
      'flush chain inet shoal vip_10.0.1.2',
      'add rule inet shoal vip_10.0.1.2 dnat ip to numgen inc mod 2 map { 0 : 10.0.1.11, 1 : 10.0.1.12 } comment "whoami"',
      'flush chain inet shoal port4_udp_5353',
      'add rule inet shoal port4_udp_5353 meta l4proto udp dnat ip to numgen inc mod 2 map { 0 : 10.0.1.11 . 53, 1 : 10.0.1.12 . 53 } comment "whoami"',
      '',
    ].join('\n'),
  );
});

test('a service whose last task drains goes, its address is refused by the kernel', () => {
  const change = renderChange(
    balancingOf([task(11)], false),
    balancingOf([task(11, { serving: false })], false),
  );
  expect(change).toBe(
    [
      'delete element inet shoal vips4 { 10.0.1.2 }',
      'flush chain inet shoal vip_10.0.1.2',
      'delete chain inet shoal vip_10.0.1.2',
      '',
    ].join('\n'),
  );
});

test('names of services cannot break out of a comment', () => {
  const evil = serviceOf({ name: 'a"; flush ruleset; #', virtualIps: ['10.0.1.2'] });
  expect(renderWhole(balancingOf([taskOf(11, { service: evil })]))).toContain(
    'comment "a___flush_ruleset___"',
  );
});

test('least connections are told to be beyond nftables', () => {
  const balancing = balancingOf([taskOf(11, { service: serviceOf({ balance: 'lc' }) })]);
  expect(unsupported(balancing)).toHaveLength(1);
  expect(renderWhole(balancing)).toContain('numgen inc');
});

test.each([
  '',
  '{}',
  '{"nftables": [{"map": {"name": "vips4", "elem": [["10.0.1.2", {"drop": null}]]}}]}',
])('a listing that is not ours is not understood: %s', (text) =>
  expect(readBalancing(text, undefined)).toBeUndefined(),
);

test.each(['udp', 17])('a published port is read back, its protocol listed as %s', (protocol) => {
  const set = [[0, { concat: ['10.0.1.11', 53] }]];
  const map = { key: { numgen: { mod: 1 } }, data: { set } };
  const nftables = [
    { rule: { chain: 'port4_udp_5353', comment: 'whoami', expr: [{ dnat: { addr: { map } } }] } },
    {
      map: {
        name: 'ports4',
        elem: [[{ concat: [protocol, 5_353] }, { goto: { target: 'port4_udp_5353' } }]],
      },
    },
  ];
  const read = readBalancing(JSON.stringify({ nftables }), undefined);
  expect(read?.servers.size).toBe(1);
});
