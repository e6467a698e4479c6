import { expect, test } from 'vitest';
import { balancingOf, checkBalancingLabels } from './balancing.ts';

test('labels of a service say how it is balanced, and nothing else does', () => {
  expect(balancingOf({ 'shoal.ingress.source-ip': 'masquerade', 'shoal.balance': 'sh' })).toEqual({
    sourceAddress: 'masquerade',
    balance: 'sh',
  });
  expect(balancingOf({ 'shoal.ingress.source-ip': 'proxy-protocol' })).toEqual({
    sourceAddress: 'proxy-protocol',
  });
  expect(balancingOf({ 'shoal.ingress.source-ip': 'keep', 'shoal.balance': 'fair' })).toEqual({});
  expect(balancingOf({ unrelated: 'masquerade' })).toEqual({});
  const allow = '10.1.2.3/8, 192.0.2.7,10.9.0.0/16,2001:DB8::1/32,2001:db8::5';
  expect(balancingOf({ 'shoal.ingress.allow': allow })).toEqual({
    allowed: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
  });
  expect(balancingOf({ 'shoal.ingress.allow': '10.0.0.0/33' })).toEqual({});
});

test.each([
  [{ 'shoal.ingress.source-ip': 'keep', 'shoal.balance': 'rr', 'shoal.other': 'x' }, undefined],
  [{ 'shoal.ingress.source-ip': 'hide' }, 'must be keep, masquerade or proxy-protocol'],
  [{ 'shoal.balance': 'fair' }, 'must be rr, lc or sh'],
  [{ 'shoal.ingress.allow': '10.0.0.0/8' }, undefined],
  [{ 'shoal.ingress.allow': '' }, 'must be up to 64 addresses or subnets'],
  [{ 'shoal.ingress.allow': '10.0.0.0/8,' }, 'must be up to 64 addresses or subnets'],
  [{ 'shoal.ingress.allow': 'office' }, 'must be up to 64 addresses or subnets'],
  [{ 'shoal.ingress.allow': Array(65).fill('10.0.0.1').join() }, 'must be up to 64'],
])('%o: %s', (labels, fault) => {
  const found = checkBalancingLabels(labels);
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});
