import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What a host's gossip stands at. */
export interface GossipFigures {
  readonly members: Readonly<Record<'alive' | 'suspect' | 'dead', number>>;
  readonly networks: number;
  readonly records: number;
  /** 0 while the host has no reason to doubt itself. */
  readonly doubt: number;
}

export type DropReason =
  /** Sealed by nobody who has the cluster's keys. */
  | 'foreign'
  | 'malformed'
  /** A connection, a message or a question too many. */
  | 'too-many'
  /** Could not be sent. */
  | 'unsent';

export interface GossipMetrics {
  /** Where the figures are read at each scrape; undefined: there is nothing to read them from. */
  source(figures: (() => GossipFigures) | undefined): void;
  sent(over: 'udp' | 'tcp', bytes: number): void;
  received(over: 'udp' | 'tcp', bytes: number): void;
  dropped(reason: DropReason): void;
  /** A record came here so long after its owner wrote it. */
  learned(ms: number): void;
}

const secondsBuckets = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const msPerSecond = 1_000;
/** Older records are not counted, milliseconds: this host is new in the network, or was cut off. */
const lagMsMax = 60_000;

/** The gossip's metrics on `registry`; call once a process. */
export function gossipMetrics(registry: Registry): GossipMetrics {
  let source: (() => GossipFigures) | undefined;
  const registers = [registry];
  const gauge = (
    name: string,
    help: string,
    read: (figures: GossipFigures, into: Gauge) => void,
    labelNames: string[] = [],
  ) =>
    new Gauge({
      name: `shoal_gossip_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        const figures = source?.();
        if (figures === undefined) this.reset();
        else read(figures, this);
      },
    });
  gauge(
    'members',
    'Hosts that this one knows of, by what it thinks of them.',
    ({ members }, into) => {
      for (const [standing, count] of Object.entries(members)) into.set({ standing }, count);
    },
    ['standing'],
  );
  gauge('networks', 'Networks whose records this host holds.', ({ networks }, into) =>
    into.set(networks),
  );
  gauge('records', 'Endpoint records that are shown, own ones included.', ({ records }, into) =>
    into.set(records),
  );
  gauge('health_score', 'How far this host doubts itself; 0 is healthy.', ({ doubt }, into) =>
    into.set(doubt),
  );
  const messages = new Counter({
    name: 'shoal_gossip_messages_total',
    help: 'Packets and messages of connections.',
    labelNames: ['over', 'direction'],
    registers,
  });
  const bytes = new Counter({
    name: 'shoal_gossip_bytes_total',
    help: 'Their bytes, sealed.',
    labelNames: ['over', 'direction'],
    registers,
  });
  const dropped = new Counter({
    name: 'shoal_gossip_dropped_total',
    help: 'What was dropped without an answer, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const lag = new Histogram({
    name: 'shoal_gossip_lag_seconds',
    help: 'Age of records of other hosts when they were heard for the first time.',
    buckets: secondsBuckets,
    registers,
  });
  const count = (over: string, direction: string, size: number): void => {
    messages.inc({ over, direction });
    bytes.inc({ over, direction }, size);
  };
  return {
    source: (figures) => {
      source = figures;
    },
    sent: (over, size) => count(over, 'out', size),
    received: (over, size) => count(over, 'in', size),
    dropped: (reason) => dropped.inc({ reason }),
    learned: (ms) => {
      if (ms <= lagMsMax) lag.observe(ms / msPerSecond);
    },
  };
}
