import { type handleUnaryCall, Server, status } from '@grpc/grpc-js';
import { type Identity, requireRole, serveNodes } from '@shoal/pki';
import {
  type DecisionsRequest,
  type DecisionsResponse,
  ExplainService,
  type NodeCandidate,
  type NodeLook,
  type PlacementDecision,
} from '@shoal/proto';
import {
  type Clock,
  type ConnectionLimits,
  formatHostPort,
  type Instant,
  type Logger,
} from '@shoal/runtime';
import type { ManagerSession } from '@shoal/stage/host';
import { currentOf, type StateView } from '@shoal/state';
import type { GroupDecision, NodeRecord } from './decision.ts';
import { lookAfresh } from './look.ts';
import type { DecisionStore } from './store.ts';

/** Decisions in one answer. */
const answerMax = 50;
/** Placed tasks named in one decision of an answer. */
const placedMax = 200;
/** Connections at once: managers ask, now and then. */
const connectionLimits: ConnectionLimits = {
  provedMax: 1_024,
  provedPerNodeMax: 32,
  strangersMax: 256,
  strangersPerAddressMax: 64,
};

export interface ExplainServer {
  /** Where the managers reach it, `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface ExplainOptions {
  readonly session: Pick<ManagerSession, 'identity' | 'proof'>;
  readonly view: StateView;
  readonly store: DecisionStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Answers the managers at a port of the system's choice. @throws when there is none to listen on. */
export async function serveExplain(options: ExplainOptions): Promise<ExplainServer> {
  const { session, clock, logger } = options;
  const server = new Server();
  server.addService(ExplainService, { decisions: decisionsHandler(options) });
  const { identity, proof: source } = session;
  const { port, close } = await serveNodes(server, {
    address: { host: anyHost(identity), port: 0 },
    source,
    clusterId: identity.clusterId,
    limits: connectionLimits,
    clock,
  });
  const address = formatHostPort({ host: identity.advertiseAddr, port });
  logger.info({ address }, 'explain_listening');
  return { address, stop: close };
}

function anyHost({ advertiseAddr }: Identity): string {
  return advertiseAddr.includes(':') ? '::' : '0.0.0.0';
}

function decisionsHandler(
  options: ExplainOptions,
): handleUnaryCall<DecisionsRequest, DecisionsResponse> {
  return (call, callback) => {
    const allowed = requireRole(call, options.session.identity.clusterId, 'manager');
    if (allowed.kind === 'refused') callback(allowed.error);
    else if (!isManager(options.view, allowed.peer.nodeId))
      callback({ code: status.PERMISSION_DENIED, details: 'the node is a manager no more' });
    else callback(null, answer(options, call.request));
  };
}

/** A certificate outlives the role, and the node. */
function isManager({ nodes, cluster }: StateView, nodeId: string): boolean {
  const isRemoved = cluster?.removedNodes?.[nodeId] !== undefined;
  return nodes.get(nodeId)?.role === 'manager' && !isRemoved;
}

export function answer(
  { view, store, clock }: Pick<ExplainOptions, 'view' | 'store' | 'clock'>,
  { serviceId, taskIds, decisionsMax, look }: DecisionsRequest,
): DecisionsResponse {
  const tasks = new Set(taskIds);
  const found = store.find(serviceId, tasks, Math.min(decisionsMax, answerMax));
  return {
    logIndex: view.index,
    decisions: found.map((decision) => decisionShape(decision, tasks)),
    look: look ? lookNow(view, serviceId, clock) : undefined,
  };
}

function lookNow(view: StateView, serviceId: string, clock: Clock): NodeLook | undefined {
  const service = view.services.get(serviceId);
  const revision = service && currentOf(view, service);
  if (revision === undefined) return undefined;
  const now = Math.max(clock.now(), view.time) as Instant;
  const { filters, candidates, nodes, fitting } = lookAfresh(view, revision, now);
  return {
    revision: revision.number,
    filters: [...filters],
    candidates: candidates.map(candidateShape),
    nodes,
    fitting,
  };
}

/** Of decisions about many tasks the ones that were asked for come first. */
function decisionShape(decision: GroupDecision, tasks: ReadonlySet<string>): PlacementDecision {
  const { serviceId, revision, at, logIndex, placed, waiting, err, look } = decision;
  const named = tasks.size === 0 ? placed : placed.filter(({ taskId }) => tasks.has(taskId));
  return {
    serviceId,
    revision,
    at,
    logIndex,
    placed: named.slice(0, placedMax),
    waiting: waiting.length,
    err,
    filters: [...(look?.filters ?? [])],
    candidates: (look?.candidates ?? []).map(candidateShape),
    nodes: look?.nodes ?? 0,
  };
}

function candidateShape(record: NodeRecord): NodeCandidate {
  return { ...record };
}
