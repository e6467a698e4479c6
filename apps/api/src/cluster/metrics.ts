import { Counter, Gauge, type Registry } from 'prom-client';
import type { Standing } from './standing.ts';

const standings: readonly Standing['kind'][] = [
  'inactive',
  'error',
  'locked',
  'pending',
  'worker',
  'manager',
];

/** How a request for a certificate ended. */
export type CertificateOutcome = 'joined' | 'renewed' | 'refused' | 'limited' | 'failed';

export interface ClusterMetrics {
  certificate(outcome: CertificateOutcome): void;
  /** Tells where the host stands whenever it is asked. */
  observeStanding(standing: () => Standing): void;
}

export function clusterMetrics(registry: Registry): ClusterMetrics {
  const certificates = new Counter({
    name: 'shoal_api_certificate_requests_total',
    help: 'Requests for node certificates that this manager answered, by outcome.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
  return {
    certificate: (outcome) => certificates.inc({ outcome }),
    observeStanding(standing) {
      new Gauge({
        name: 'shoal_api_standing',
        help: 'Where this host stands in a swarm: 1 for the one that holds.',
        labelNames: ['standing'] as const,
        registers: [registry],
        collect() {
          const { kind } = standing();
          for (const one of standings) this.set({ standing: one }, one === kind ? 1 : 0);
        },
      });
    },
  };
}
