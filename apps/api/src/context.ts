import type { Engine } from '@shoal/link/proxy';
import type { Clock, Logger, Random } from '@shoal/runtime';
import type { SwarmHost } from './cluster/standing.ts';
import type { NodeLink } from './containers/container-router.ts';
import type { Dashboard } from './dashboard/dashboard.ts';
import type { SwarmEvents } from './events/swarm-events.ts';
import type { ExplainSource } from './explain/source.ts';
import type { Lists } from './http/lists.ts';
import type { LogHub } from './logs/log-hub.ts';
import type { AttachNetwork } from './networks/attach.ts';

/** What the routes work with. */
export interface ApiContext {
  readonly host: SwarmHost;
  readonly engine: Engine;
  readonly events: SwarmEvents;
  readonly logs: LogHub;
  readonly explain: ExplainSource;
  readonly attach: AttachNetwork;
  /** The way to other nodes; absent: only this host's containers are reached. */
  readonly link?: NodeLink | undefined;
  /** The dashboard of this host; absent: it has none. */
  readonly dashboard?: Pick<Dashboard, 'invite'> | undefined;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What a route works with: the API's context, and what the server shares among its routes. */
export interface RouteContext extends ApiContext {
  readonly lists: Lists;
}
