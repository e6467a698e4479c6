import { expect, test } from 'vitest';
import { checkRebalanceLabels, movesPerHourOf } from './rebalance.ts';

test.each([
  ['1', 1],
  ['30', 30],
  ['3600', 3_600],
  ['0', undefined],
  ['3601', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['many', undefined],
  ['', undefined],
  [undefined, undefined],
])('%s moves an hour are %s', (text, moves) => {
  expect(movesPerHourOf(text)).toBe(moves);
});

test.each([
  [{}, undefined],
  [{ 'shoal.rebalance': 'true', 'shoal.rebalance.moves-per-hour': '60' }, undefined],
  [{ 'shoal.rebalance': 'yes' }, 'shoal.rebalance'],
  [{ 'shoal.rebalance.moves-per-hour': '0' }, 'from 1 to 3600'],
])('labels %j are judged', (labels, fault) => {
  const told = checkRebalanceLabels(labels);
  if (fault === undefined) expect(told).toBeUndefined();
  else expect(told).toContain(fault);
});
