import { expect, test } from 'vitest';
import { cutScript } from './faults.ts';

const rules = (script: string): readonly string[] =>
  script.split('\n').filter((line) => line.startsWith('add rule'));

test('a cut from everybody drops what comes and what goes', () => {
  expect(rules(cutScript({ direction: 'both' }, 'eth0'))).toEqual([
    'add rule inet shoal_cut coming iifname eth0 drop',
    'add rule inet shoal_cut going oifname eth0 drop',
  ]);
});

test('a cut in one direction names the other side by the end it is at', () => {
  const peers = ['10.0.0.2', '10.0.0.3'];
  expect(rules(cutScript({ direction: 'in', peers }, 'eth0'))).toEqual([
    'add rule inet shoal_cut coming iifname eth0 ip saddr { 10.0.0.2, 10.0.0.3 } drop',
  ]);
  expect(rules(cutScript({ direction: 'out', peers }, 'eth0'))).toEqual([
    'add rule inet shoal_cut going oifname eth0 ip daddr { 10.0.0.2, 10.0.0.3 } drop',
  ]);
});

test('a port is cut at either end', () => {
  expect(rules(cutScript({ direction: 'in', port: 2377 }, 'eth0'))).toEqual([
    'add rule inet shoal_cut coming iifname eth0 meta l4proto { tcp, udp } th sport 2377 drop',
    'add rule inet shoal_cut coming iifname eth0 meta l4proto { tcp, udp } th dport 2377 drop',
  ]);
});
