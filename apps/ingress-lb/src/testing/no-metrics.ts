import type { BalancerMetrics } from '../metrics.ts';

export const noMetrics: BalancerMetrics = {
  applied: () => undefined,
  repaired: () => undefined,
  serving: () => undefined,
  problems: () => undefined,
  relayed: () => undefined,
  relaying: () => undefined,
};
