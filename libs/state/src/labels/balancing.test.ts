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
});

test.each([
  [{ 'shoal.ingress.source-ip': 'keep', 'shoal.balance': 'rr', 'shoal.other': 'x' }, undefined],
  [{ 'shoal.ingress.source-ip': 'hide' }, 'must be keep, masquerade or proxy-protocol'],
  [{ 'shoal.balance': 'fair' }, 'must be rr, lc or sh'],
])('%o: %s', (labels, fault) => {
  const found = checkBalancingLabels(labels);
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});
