import { currentRevision } from '@shoal/docker-api';
import type { DecisionsRequest, NodeCandidate, NodeLook, PlacementDecision } from '@shoal/proto';
import {
  isBefore,
  isStopped,
  type Lease,
  type Service,
  type StateView,
  stoppedLabel,
  type Task,
  taskName,
} from '@shoal/state';
import type { z } from 'zod';
import type { Manager } from '../cluster/standing.ts';
import type { decision, look as lookShape } from '../openapi/answers/explain.ts';
import { nodeName } from '../plan/outcome.ts';
import { isLive } from '../plan/unsettled.ts';
import { scalingOf } from '../status/scaling.ts';
import { chainOf, type Link } from './chain.ts';
import type { ExplainSource, Told } from './source.ts';

/** Decisions in one explanation. */
const decisionsMax = 20;
/** Tasks of a service that an explanation shows. */
const tasksMax = 200;

/** A task as it stands. */
export interface TaskStanding {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly state: string;
  readonly desired: string;
  readonly message: string;
  readonly err: string;
  /** Why it has no node yet; empty when it has one. */
  readonly waitsFor: string;
}

type Decision = z.output<typeof decision>;
type Look = z.output<typeof lookShape>;

interface Records {
  /** Newest first. */
  readonly decisions: readonly Decision[];
  /** Every node as it is now for the current revision. */
  readonly now: Look | null;
  /** Schedulers that were asked; records of those that have ended or do not answer are missing. */
  readonly schedulers: readonly {
    readonly id: string;
    readonly answered: boolean;
    readonly reason: string;
  }[];
}

export interface TaskExplanation extends Records {
  readonly logIndex: number;
  readonly task: TaskStanding;
  readonly chain: readonly Link[];
}

export interface ServiceExplanation extends Records {
  readonly logIndex: number;
  readonly service: {
    readonly id: string;
    readonly name: string;
    readonly revision: number;
    readonly update: string;
    readonly scaling: string;
  };
  readonly tasks: readonly TaskStanding[];
}

export async function explainTask(
  manager: Manager,
  source: ExplainSource,
  task: Task,
): Promise<TaskExplanation> {
  const { view } = manager.replica;
  const told = { logIndex: view.index, task: standingOf(view, task), chain: chainOf(view, task) };
  const look = isBefore(task.status.state, 'assigned') || isLive(task);
  const request = { serviceId: task.serviceId, taskIds: [task.id], decisionsMax, look };
  return { ...told, ...(await recordsOf(manager, source, request)) };
}

export async function explainService(
  manager: Manager,
  source: ExplainSource,
  service: Service,
): Promise<ServiceExplanation> {
  const { view } = manager.replica;
  const { id, name, revision, updateStatus } = service;
  const progress =
    updateStatus === undefined ? '' : `${updateStatus.state}: ${updateStatus.message}`;
  const { Labels } = currentRevision(view, service).spec;
  const update = isStopped(Labels) ? `stopped by label ${stoppedLabel}` : progress;
  const tasks = [...view.tasks.byService(id)]
    .filter(isLive)
    .sort((a, b) => Number(isPlaced(a)) - Number(isPlaced(b)) || a.slot - b.slot)
    .slice(0, tasksMax)
    .map((task) => standingOf(view, task));
  const request = { serviceId: id, taskIds: [], decisionsMax, look: true };
  return {
    logIndex: view.index,
    service: { id, name, revision, update, scaling: scalingOf(view, service)?.text ?? '' },
    tasks,
    ...(await recordsOf(manager, source, request)),
  };
}

function isPlaced({ status }: Task): boolean {
  return !isBefore(status.state, 'assigned');
}

function standingOf(view: StateView, task: Task): TaskStanding {
  const { id, nodeId, desired, status } = task;
  const service = view.services.get(task.serviceId);
  return {
    id,
    name: service === undefined ? id : taskName(task, service.name),
    node: nodeId === '' ? '' : nodeName(view, nodeId).hostname,
    state: status.state,
    desired,
    message: status.message,
    err: status.err,
    waitsFor: isPlaced(task) ? '' : status.err,
  };
}

/** Asks every scheduler: which of them decided is theirs to know, and ownership moves. */
async function recordsOf(
  { identity, replica: { view } }: Manager,
  source: ExplainSource,
  request: DecisionsRequest,
): Promise<Records> {
  const leases = [...view.leases.byStage('scheduler')];
  const answers = await Promise.all(
    leases.map(async (lease) => ({ lease, told: await ask(source, identity, lease, request) })),
  );
  const decisions: PlacementDecision[] = [];
  let look: NodeLook | undefined;
  for (const { told } of answers) {
    if (told.kind === 'silent') continue;
    decisions.push(...told.answer.decisions);
    look ??= told.answer.look;
  }
  decisions.sort((a, b) => b.logIndex - a.logIndex);
  return {
    decisions: decisions.slice(0, decisionsMax).map((one) => decisionShape(view, one)),
    now: look === undefined ? null : { ...look, candidates: named(view, look.candidates) },
    schedulers: answers.map(({ lease, told }) => ({
      id: lease.id,
      answered: told.kind === 'told',
      reason: told.kind === 'told' ? '' : told.reason,
    })),
  };
}

function ask(
  source: ExplainSource,
  identity: Manager['identity'],
  { address }: Lease,
  request: DecisionsRequest,
): Promise<Told> {
  if (address === '') return Promise.resolve({ kind: 'silent', reason: 'it serves no records' });
  return source.ask(identity, address, request);
}

function decisionShape(view: StateView, told: PlacementDecision): Decision {
  const { serviceId: _service, candidates, placed, ...rest } = told;
  return {
    ...rest,
    placed: placed.map(({ taskId, nodeId }) => ({ taskId, ...place(view, nodeId) })),
    candidates: named(view, candidates),
  };
}

function named(view: StateView, candidates: readonly NodeCandidate[]): Look['candidates'] {
  return candidates.map((candidate) => ({ ...candidate, ...place(view, candidate.nodeId) }));
}

function place(view: StateView, nodeId: string): { nodeId: string; hostname: string } {
  return { nodeId, hostname: nodeName(view, nodeId).hostname };
}
