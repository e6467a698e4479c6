import { Counter, type Registry } from 'prom-client';

/** What is counted of other hosts' requests for containers. */
export interface ContainerRouteMetrics {
  /** `action` is one of those that there are, never what a caller wrote. */
  answered(action: string, outcome: 'passed' | 'refused'): void;
}

/** The metrics on `registry`; call once a process. */
export function containerRouteMetrics(registry: Registry): ContainerRouteMetrics {
  const requests = new Counter({
    name: 'shoal_agent_remote_container_requests_total',
    help: "Managers' requests for containers of this node's tasks, by action and outcome.",
    labelNames: ['action', 'outcome'],
    registers: [registry],
  });
  return { answered: (action, outcome) => requests.inc({ action, outcome }) };
}
