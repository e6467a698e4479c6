import type { Clock, HostPort, Logger, LogLevel, Random } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { HostNetwork } from './addresses.ts';
import type { AgentState } from './agent-state.ts';
import type { Probes } from './join/probes.ts';
import type { ClusterMetrics } from './metrics.ts';

/** What a host's membership works with. */
export interface MembershipOptions {
  readonly dataDir: string;
  /** Where the cluster port listens when the user names no other. */
  readonly listen: HostPort;
  readonly dispatcherListen: HostPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLevel: LogLevel;
  /** How long reads may rest on the leader's last round of heartbeats, milliseconds; 0: each has its own. */
  readonly readLeaseMs: number;
  readonly metrics: ClusterMetrics;
  readonly network: () => Promise<HostNetwork>;
  readonly probes: Probes;
  /** Longest wait of `swarm init` for this host's agent, milliseconds; it may come later. */
  readonly agentMsMax: number;
  /** Resolves once this host's agent is as far; at once when nobody can tell, and after a while in any case. */
  readonly agent: (wanted: AgentState) => Promise<void>;
  /** Hears of each replica that is made. */
  readonly onReplica: (replica: Replica) => void;
}
