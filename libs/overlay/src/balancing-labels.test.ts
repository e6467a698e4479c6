import { expect, test } from 'vitest';
import { balancingOf } from './implied.ts';

test('labels of a service say how it is balanced, and nothing else does', () => {
  expect(balancingOf({ 'shoal.ingress.source-ip': 'masquerade', 'shoal.balance': 'sh' })).toEqual({
    sourceAddress: 'masquerade',
    balance: 'sh',
  });
  expect(balancingOf({ 'shoal.ingress.source-ip': 'keep', 'shoal.balance': 'fair' })).toEqual({});
  expect(balancingOf({ unrelated: 'masquerade' })).toEqual({});
});
