import type { Clock, Logger, Random } from '@shoal/runtime';
import type { SwarmHost } from './cluster/standing.ts';
import type { SwarmEvents } from './events/swarm-events.ts';
import type { ExplainSource } from './explain/source.ts';
import type { LogSource } from './logs/log-source.ts';
import type { AttachNetwork } from './networks/attach.ts';
import type { Engine } from './proxy/engine.ts';

/** What the routes work with. */
export interface ApiContext {
  readonly host: SwarmHost;
  readonly engine: Engine;
  readonly events: SwarmEvents;
  readonly logs: LogSource;
  readonly explain: ExplainSource;
  readonly attach: AttachNetwork;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
