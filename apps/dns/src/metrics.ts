import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type Outcome, timedEvery } from './server/resolver.ts';
import type { ListenerChange } from './sockets/network-listener.ts';
import type { ExchangeOutcome } from './upstream/forwarder.ts';
import { types } from './wire/protocol.ts';
import type { Transport } from './wire/reply-writer.ts';

/** What the resolver counts. */
export interface DnsMetrics {
  /** A question was answered; `ms` is undefined where that was not timed. */
  query(transport: Transport, type: number, outcome: Outcome, ms: number | undefined): void;
  upstream(upstream: string, outcome: ExchangeOutcome, ms: number): void;
  listener(why: ListenerChange): void;
  /** Read whenever somebody asks for the metrics. */
  gauges(read: () => Gauges): void;
}

export interface Gauges {
  readonly networks: number;
  readonly listening: number;
  readonly names: number;
  readonly cacheEntries: number;
  readonly cacheBytes: number;
  readonly forwarding: number;
  readonly agentConnected: boolean;
}

const secondsBuckets = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2, 4];
const msPerSecond = 1_000;
/** Types with a label of their own: others are for clients to choose, and would be without number. */
const labels: ReadonlyMap<number, string> = new Map(
  Object.entries(types).map(([name, number]) => [number, name]),
);
/** Stands for all of them; the type is reserved (RFC 6895). */
const unnamedType = 0;

/** The resolver's metrics on `registry`; call once a process. */
export function dnsMetrics(registry: Registry): DnsMetrics {
  const registers = [registry];
  const tallies = new Tallies();
  new Counter({
    name: 'shoal_dns_queries_total',
    help: 'Queries of containers, by transport, record type and outcome.',
    labelNames: ['transport', 'type', 'outcome'],
    registers,
    collect() {
      tallies.take((labels, count) => this.inc(labels, count));
    },
  });
  const seconds = new Histogram({
    name: 'shoal_dns_query_seconds',
    help: `Time from a query to its answer, by who had to say; of the swarm's own one in ${timedEvery}.`,
    labelNames: ['source'],
    buckets: secondsBuckets,
    registers,
  });
  const exchanges = new Counter({
    name: 'shoal_dns_upstream_exchanges_total',
    help: 'Questions to upstream servers, by server and outcome.',
    labelNames: ['upstream', 'outcome'],
    registers,
  });
  const upstreamSeconds = new Histogram({
    name: 'shoal_dns_upstream_seconds',
    help: 'Time until an upstream server answered.',
    labelNames: ['upstream'],
    buckets: secondsBuckets,
    registers,
  });
  const listeners = new Counter({
    name: 'shoal_dns_listener_changes_total',
    help: 'Sockets of a network bound, not bound, or given up, by reason.',
    labelNames: ['why'],
    registers,
  });
  const own = seconds.labels('swarm');
  const outside = seconds.labels('upstream');
  return {
    query(transport, type, outcome, ms) {
      tallies.add(transport, type, outcome);
      if (ms === undefined) return;
      const source = outcome === 'forwarded' || outcome === 'failed' ? outside : own;
      source.observe(ms / msPerSecond);
    },
    upstream(upstream, outcome, ms) {
      exchanges.inc({ upstream, outcome });
      upstreamSeconds.observe({ upstream }, ms / msPerSecond);
    },
    listener: (why) => listeners.inc({ why }),
    gauges: (read) => registerGauges(registry, read),
  };
}

interface Tally {
  readonly transport: Transport;
  readonly type: number;
  readonly outcome: Outcome;
  count: number;
}

/** Counts by kind in plain numbers, until somebody asks: there are thousands a second of few kinds. */
class Tallies {
  readonly #tallies: Tally[] = [];
  /** The one that was added to last: most often the next is of its kind. */
  #last: Tally | undefined;

  add(transport: Transport, type: number, outcome: Outcome): void {
    const last = this.#last;
    if (last === undefined || !isOf(last, transport, type, outcome)) {
      this.#last = this.#of(transport, labels.has(type) ? type : unnamedType, outcome);
      this.#last.count += 1;
    } else last.count += 1;
  }

  /** What came since the last time. */
  take(each: (labels: Record<'transport' | 'type' | 'outcome', string>, count: number) => void) {
    for (const tally of this.#tallies) {
      const { transport, type, outcome, count } = tally;
      each({ transport, type: labels.get(type) ?? 'other', outcome }, count);
      tally.count = 0;
    }
  }

  #of(transport: Transport, type: number, outcome: Outcome): Tally {
    const known = this.#tallies.find((tally) => isOf(tally, transport, type, outcome));
    if (known !== undefined) return known;
    const tally = { transport, type, outcome, count: 0 };
    this.#tallies.push(tally);
    return tally;
  }
}

function isOf(tally: Tally, transport: Transport, type: number, outcome: Outcome): boolean {
  return tally.type === type && tally.outcome === outcome && tally.transport === transport;
}

function registerGauges(registry: Registry, read: () => Gauges): void {
  const gauge = (name: string, help: string, value: (all: Gauges) => number) =>
    new Gauge({
      name: `shoal_dns_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value(read()));
      },
    });
  gauge('networks', 'Networks of this host.', (all) => all.networks);
  gauge('networks_listening', 'Networks whose containers are answered.', (all) => all.listening);
  gauge('names', 'Names in all networks.', (all) => all.names);
  gauge('cache_entries', 'Answers of upstreams kept.', (all) => all.cacheEntries);
  gauge('cache_bytes', 'Memory of the answers kept, about.', (all) => all.cacheBytes);
  gauge('forwarding', 'Questions to upstreams under way.', (all) => all.forwarding);
  gauge('agent_connected', '1 while the agent tells what is served.', (all) =>
    all.agentConnected ? 1 : 0,
  );
}
