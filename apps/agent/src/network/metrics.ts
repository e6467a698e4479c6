import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface NetworkMetrics {
  /** Networks that this host must have, and those that are built. */
  networks(wanted: number, built: number): void;
  /** A dispatcher told a network's records, of which `different` were others here. */
  truth(different: number): void;
  /** Hosts that answer nothing at all, whose tasks are left out. */
  silentHosts(count: number): void;
  /** Problems that consumers tell of now. */
  problems(counts: ReadonlyMap<string, number>): void;
  /** A task began or ended to serve: how long until all hosts knew, and how many did not in time. */
  acknowledged(what: 'serve' | 'drain', ms: number, missing: number): void;
}

const secondsBuckets = [0.01, 0.03, 0.1, 0.3, 1, 2];
const msPerSecond = 1_000;

/** The networks' metrics on `registry`; call once a process. */
export function networkMetrics(registry: Registry): NetworkMetrics {
  const registers = [registry];
  const networks = new Gauge({
    name: 'shoal_agent_networks',
    help: 'Overlay networks of this host: wanted by the swarm, and built.',
    labelNames: ['state'],
    registers,
  });
  const corrected = new Counter({
    name: 'shoal_agent_network_records_corrected_total',
    help: 'Endpoint records that a dispatcher put right.',
    registers,
  });
  const silent = new Gauge({
    name: 'shoal_agent_network_silent_hosts',
    help: 'Other hosts that answer nothing at all: nobody is sent to their tasks.',
    registers,
  });
  const problems = new Gauge({
    name: 'shoal_agent_network_problems',
    help: 'What resolver and balancer cannot serve of the networks, as they tell; by consumer.',
    labelNames: ['consumer'],
    registers,
  });
  const seconds = new Histogram({
    name: 'shoal_agent_network_acknowledge_seconds',
    help: 'Time until every host of its networks knew that a task serves or drains.',
    labelNames: ['what'],
    buckets: secondsBuckets,
    registers,
  });
  const missing = new Counter({
    name: 'shoal_agent_network_unacknowledged_total',
    help: 'Hosts that did not acknowledge in time that a task serves or drains.',
    labelNames: ['what'],
    registers,
  });
  return {
    networks: (wanted, built) => {
      networks.set({ state: 'wanted' }, wanted);
      networks.set({ state: 'built' }, built);
    },
    silentHosts: (count) => silent.set(count),
    problems: (counts) => {
      problems.reset();
      for (const [consumer, count] of counts) problems.set({ consumer }, count);
    },
    truth: (different) => corrected.inc(different),
    acknowledged: (what, ms, hosts) => {
      seconds.observe({ what }, ms / msPerSecond);
      missing.inc({ what }, hosts);
    },
  };
}
