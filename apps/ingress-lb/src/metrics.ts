import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RelayMetrics } from './host/relay.ts';

/** What the balancer counts. */
export interface BalancerMetrics extends RelayMetrics {
  applied(outcome: 'applied' | 'failed', ms: number): void;
  repaired(): void;
  serving(counts: { readonly services: number; readonly backends: number }): void;
  problems(count: number): void;
}

const secondsBuckets = [0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 20];
const msPerSecond = 1_000;

/** The balancer's metrics on `registry`; call once a process. */
export function balancerMetrics(registry: Registry): BalancerMetrics {
  const registers = [registry];
  const applies = new Counter({
    name: 'shoal_ingress_lb_applies_total',
    help: 'Changes written to namespaces, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const seconds = new Histogram({
    name: 'shoal_ingress_lb_apply_seconds',
    help: 'Time that one namespace took to be written.',
    buckets: secondsBuckets,
    registers,
  });
  const repairs = new Counter({
    name: 'shoal_ingress_lb_repairs_total',
    help: 'Audits that found a namespace, the host or a sandbox changed by somebody else.',
    registers,
  });
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `shoal_ingress_lb_${name}`, help, registers });
  const services = gauge('services', 'Virtual addresses and published ports in the kernel.');
  const backends = gauge('backends', 'Backends of these that get new connections.');
  const relayed = new Counter({
    name: 'shoal_ingress_lb_relayed_total',
    help: 'TCP connections that the kernel did not balance, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const relaying = gauge('relaying', 'Connections that are passed on by this process now.');
  const problems = gauge('problems', 'Problems as they are told to the agent.');
  return {
    applied: (outcome, ms) => {
      applies.inc({ outcome });
      seconds.observe(ms / msPerSecond);
    },
    repaired: () => repairs.inc(),
    serving: (counts) => {
      services.set(counts.services);
      backends.set(counts.backends);
    },
    problems: (count) => problems.set(count),
    relayed: (outcome) => relayed.inc({ outcome }),
    relaying: (count) => relaying.set(count),
  };
}
