import { Counter, Gauge, type Registry } from 'prom-client';
import type { TaskUsage } from './usage-reader.ts';

const labelNames = ['service', 'stack', 'task'] as const;

/**
 * What tasks of this node use, on `registry`; call once a process. A task that replaces another goes on in its series,
 * from zero: they are few however often tasks are replaced.
 */
export function usageMetrics(registry: Registry, read: () => Promise<readonly TaskUsage[]>): void {
  const registers = [registry];
  const show = (
    name: string,
    help: string,
    kind: typeof Counter | typeof Gauge,
    amount: (usage: TaskUsage) => number | undefined,
  ): void => {
    new kind({
      name: `shoal_task_${name}`,
      help,
      labelNames,
      registers,
      async collect() {
        const all = await read();
        this.reset();
        for (const usage of all) {
          const { service, stack, task } = usage;
          const value = amount(usage);
          if (value !== undefined) this.inc({ service, stack, task }, value);
        }
      },
    });
  };
  show(
    'cpu_seconds_total',
    'Time of processors that the task’s container has used.',
    Counter,
    ({ cpuSeconds }) => cpuSeconds,
  );
  show(
    'memory_bytes',
    'Memory of the task’s container, without cache that the kernel gives back first.',
    Gauge,
    ({ memoryBytes }) => memoryBytes,
  );
  show(
    'memory_limit_bytes',
    'Beyond it the task is killed; absent where there is no limit.',
    Gauge,
    ({ memoryLimitBytes }) => memoryLimitBytes,
  );
  show(
    'network_received_bytes_total',
    'Bytes that came to the task; absent on the host’s own network.',
    Counter,
    ({ receivedBytes }) => receivedBytes,
  );
  show(
    'network_sent_bytes_total',
    'Bytes that the task sent; absent on the host’s own network.',
    Counter,
    ({ sentBytes }) => sentBytes,
  );
}
