import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { linkMetrics } from '@shoal/link';
import { Engine, type EngineAddress } from '@shoal/link/proxy';
import { hostNetworksSocket } from '@shoal/overlay';
import { voterMetrics } from '@shoal/raft/service';
import type { Clock, HostPort, Logger, LogLevel, Random } from '@shoal/runtime';
import type { Health, Running } from '@shoal/runtime/process';
import type { Registry } from 'prom-client';
import { agentIs } from './cluster/agent-state.ts';
import { readHostNetwork } from './cluster/host-network.ts';
import { systemProbes } from './cluster/join/probes.ts';
import { Membership } from './cluster/membership.ts';
import { clusterMetrics } from './cluster/metrics.ts';
import { linkToNodes } from './containers/node-link.ts';
import { Dashboard } from './dashboard/dashboard.ts';
import { bundledPage } from './dashboard/page.ts';
import { SwarmEvents } from './events/swarm-events.ts';
import { schedulerRecords } from './explain/source.ts';
import { listenTcp, listenUnix } from './http/listen.ts';
import { apiMetrics } from './http/metrics.ts';
import { createApiServer } from './http/server.ts';
import type { TlsProtection } from './http/tls/door.ts';
import { LogHub } from './logs/log-hub.ts';
import { DispatcherLogs } from './logs/log-source.ts';
import { logMetrics } from './logs/metrics.ts';
import { agentAttach } from './networks/attach.ts';
import { clusterGauges } from './status/metrics-text.ts';
import { type ClusterStatus, statusOf } from './status/status.ts';

/** Time for answers under way when the process is asked to stop, milliseconds. */
const drainMs = 2_000;
/** Longest wait of `swarm init` for this host's agent, milliseconds. */
const agentMsMax = 3_000;
/** How often the engine is asked for its version while it cannot be reached, milliseconds. */
const engineRetryMs = 2_000;

export interface ApiOptions {
  readonly dataDir: string;
  /** Where the processes of this host leave word of themselves. */
  readonly runDir: string;
  readonly logLevel: LogLevel;
  /** How long reads may rest on the leader's last round of heartbeats, milliseconds; 0: each has its own. */
  readonly readLeaseMs: number;
  readonly socket: string;
  readonly tcp: HostPort | undefined;
  /** Of the TCP port. */
  readonly protection: TlsProtection | undefined;
  /** On this host only; absent: there is no dashboard. */
  readonly dashboard: HostPort | undefined;
  readonly listen: HostPort;
  readonly dispatcherListen: HostPort;
  readonly engine: EngineAddress;
  readonly engineText: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Registry;
}

/** Starts everything: membership with its voter, the server, and the sockets. */
export async function startApi(options: ApiOptions): Promise<Running> {
  const { dataDir, logLevel, readLeaseMs, listen, dispatcherListen, clock, random, logger } =
    options;
  await mkdir(dataDir, { recursive: true });
  await mkdir(dirname(options.socket), { recursive: true });
  const engine = new Engine(options.engineText, options.engine);
  const events = new SwarmEvents();
  const metrics = clusterMetrics(options.metrics);
  const host = new Membership({
    dataDir,
    listen,
    dispatcherListen,
    clock,
    random,
    logger,
    logLevel,
    readLeaseMs,
    metrics,
    network: readHostNetwork,
    probes: systemProbes,
    agentMsMax,
    agent: (wanted) => agentIs(wanted, options.runDir, clock),
    onReplica: (replica) => void events.follow(replica),
  });
  metrics.observeStanding(() => host.standing);
  voterMetrics(options.metrics, async () => host.voter?.status());
  clusterGauges(options.metrics, () => standingOf(host));
  const logs = new LogHub({
    source: new DispatcherLogs(),
    isCurrent: (manager) => host.standing.kind === 'manager' && host.standing.manager === manager,
    clock,
    random,
    metrics: logMetrics(options.metrics),
  });
  const explain = schedulerRecords(clock);
  const attach = agentAttach(hostNetworksSocket(dataDir), clock);
  const link = linkToNodes(clock, linkMetrics(options.metrics));
  const dashboard = new Dashboard(clock, random, logger);
  const parts = { host, engine, events, logs, explain, attach, link, dashboard };
  const context = { ...parts, dataDir, clock, random, logger };
  // The log's recovery may take a while; requests wait for it a little and then are told so.
  const started = host.start();
  const known = learnEngine(engine, options);
  const server = await createApiServer(context, apiMetrics(options.metrics));
  await listenUnix(server.server, options.socket);
  logger.info({ socket: options.socket, engine: options.engineText }, 'api_listening');
  const { tcp: at, protection } = options;
  const tcp = at && (await listenTcp(server.server, { at, protection, clock, logger }));
  if (options.dashboard !== undefined) {
    const api = (...asked: [IncomingMessage, ServerResponse]): unknown =>
      server.server.emit('request', ...asked);
    await dashboard.open(options.dashboard, { page: bundledPage, api });
  }
  await started;
  return {
    async stop() {
      known.cancel();
      // It is closed once its connections are, and those end with the server.
      const doorClosed = tcp?.close();
      const dashboardClosed = dashboard.close(drainMs);
      logs.stop();
      await server.close(drainMs);
      await Promise.all([doorClosed, dashboardClosed]);
      logger.info({}, 'drained');
      await host.stop();
    },
    health: () => healthOf(host),
  };
}

/** How the cluster stands as far as this manager knows, so that a scrape waits for no quorum. */
async function standingOf({ standing }: Membership): Promise<ClusterStatus | undefined> {
  if (standing.kind !== 'manager' || !standing.manager.replica.ready) return undefined;
  const quorum = await standing.manager.quorum();
  return statusOf(standing.manager.replica.view, quorum);
}

/** The engine's version is wanted by `/_ping`, which itself must not wait for the engine. */
function learnEngine(
  engine: Engine,
  { clock, logger }: ApiOptions,
): { readonly cancel: () => void } {
  let stopped = false;
  const learn = async (): Promise<void> => {
    try {
      await engine.versions();
    } catch (error) {
      logger.warn({ error }, 'engine_away');
      if (!stopped) clock.after(engineRetryMs, () => void learn());
    }
  };
  void learn();
  return {
    cancel: () => {
      stopped = true;
    },
  };
}

function healthOf({ standing }: Membership): Health {
  switch (standing.kind) {
    case 'inactive':
      return { ready: true, healthy: true, role: 'standby', detail: 'the host is in no swarm' };
    case 'locked':
      return { ready: true, healthy: true, role: 'locked', detail: 'waits for its unlock key' };
    case 'worker':
      return { ready: true, healthy: true, role: 'worker', detail: '' };
    case 'pending':
    case 'error':
      return { ready: false, healthy: true, role: 'manager', detail: standing.message };
    case 'manager': {
      const { replica } = standing.manager;
      const detail = replica.ready ? '' : 'the state is being loaded';
      const logIndex = replica.view.index;
      return { ready: replica.ready, healthy: true, role: 'manager', logIndex, detail };
    }
  }
}
