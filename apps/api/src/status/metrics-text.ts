import { Gauge, type Registry } from 'prom-client';
import type { ClusterStatus } from './status.ts';

/** Prometheus' text format. */
export const metricsMediaType = 'text/plain; version=0.0.4; charset=utf-8';

const nanosPerProcessor = 1e9;

interface Shown {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  /** By the value of the label; one of the empty name where there is no label. */
  readonly values: (status: ClusterStatus) => Readonly<Record<string, number>>;
}

const one = (name: string, help: string, value: (status: ClusterStatus) => number): Shown => {
  return { name, help, values: (status) => ({ '': value(status) }) };
};

const shown: readonly Shown[] = [
  one('log_index', 'Log index of the state that these figures are of.', ({ logIndex }) => logIndex),
  one('managers', 'Managers.', ({ managers }) => managers.total),
  one('managers_reachable', 'Managers that the leader hears.', (of) => of.managers.reachable),
  one('quorum', '1 while enough managers are reachable for a quorum.', ({ managers }) =>
    Number(managers.quorum),
  ),
  {
    name: 'stage_replicas',
    help: 'Replicas of a stage that hold a lease.',
    label: 'stage',
    values: ({ stages }) =>
      Object.fromEntries(stages.map(({ stage, replicas }) => [stage, replicas.length])),
  },
  {
    name: 'nodes',
    help: 'Nodes by state.',
    label: 'state',
    values: ({ nodes }) => nodes.byState,
  },
  one(
    'processors',
    'Processors of the nodes that take tasks.',
    ({ capacity }) => capacity.nanoCpus.has / nanosPerProcessor,
  ),
  one(
    'processors_reserved',
    'Of these, what tasks have reserved.',
    ({ capacity }) => capacity.nanoCpus.reserved / nanosPerProcessor,
  ),
  one(
    'memory_bytes',
    'Memory of the nodes that take tasks.',
    ({ capacity }) => capacity.memoryBytes.has,
  ),
  one(
    'memory_reserved_bytes',
    'Of this, what tasks have reserved.',
    ({ capacity }) => capacity.memoryBytes.reserved,
  ),
  {
    name: 'tasks',
    help: 'Tasks by state.',
    label: 'state',
    values: ({ tasks }) => tasks.byState,
  },
  one('services', 'Services.', ({ services }) => services.total),
  one(
    'services_converged',
    'Services that are what they ask for.',
    ({ services }) => services.converged,
  ),
  {
    name: 'service_replicas',
    help: 'Tasks that services which are scaled by load are to have.',
    label: 'service',
    values: ({ services }) => scaledBy(services, ({ replicas }) => replicas),
  },
  {
    name: 'service_replicas_max',
    help: 'Most tasks that services which are scaled by load may have.',
    label: 'service',
    values: ({ services }) => scaledBy(services, ({ max }) => max),
  },
  one('networks', 'Networks of the swarm.', ({ networks }) => networks.total),
  one(
    'networks_allocated',
    'Networks that have their subnets.',
    ({ networks }) => networks.allocated,
  ),
];

type Scaled = ClusterStatus['services']['scaled'][number];

function scaledBy(
  { scaled }: ClusterStatus['services'],
  figure: (one: Scaled) => number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    scaled.filter(({ advises }) => !advises).map((one) => [one.name, figure(one)]),
  );
}

/** The cluster's status as gauges: the same from every manager, so one of them is enough to ask. */
export function metricsText(status: ClusterStatus): string {
  return shown.map((each) => written(each, status)).join('');
}

function written({ name, help, label, values }: Shown, status: ClusterStatus): string {
  const full = `shoal_cluster_${name}`;
  const lines = Object.entries(values(status)).map(([value, figure]) =>
    label === undefined ? `${full} ${figure}` : `${full}{${label}="${value}"} ${figure}`,
  );
  return `${[`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines].join('\n')}\n`;
}

/** Registers the gauges of {@link metricsText}: one look a scrape, no values without a status. */
export function clusterGauges(
  registry: Registry,
  look: () => Promise<ClusterStatus | undefined>,
): void {
  let looking: Promise<ClusterStatus | undefined> | undefined;
  const status = (): Promise<ClusterStatus | undefined> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  for (const { name, help, label, values } of shown)
    new Gauge({
      name: `shoal_cluster_${name}`,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [registry],
      async collect() {
        const seen = await status();
        this.reset();
        if (label === undefined) this.remove();
        if (seen === undefined) return;
        for (const [value, figure] of Object.entries(values(seen)))
          this.set(label === undefined ? {} : { [label]: value }, figure);
      },
    });
}
