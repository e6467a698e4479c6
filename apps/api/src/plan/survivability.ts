import type { Instant, LogIndex } from '@shoal/runtime';
import { isLocalVolume, type Node, type StateView } from '@shoal/state';
import { changesOf } from './hypothesis.ts';
import { type NodeName, nodeName, outcomeOf, type Unplaced } from './outcome.ts';
import { calmRehearsal, patienceFor } from './plan.ts';
import type { Rehearsal } from './rehearsal.ts';
import type { Sliced } from './slices.ts';
import { isLive } from './unsettled.ts';

/** Tasks without a place that are named for each node; the count is always whole. */
const wontFitMax = 100;

/** What happens if one node dies now. */
export interface NodeLoss {
  readonly node: NodeName;
  /** Tasks that start again elsewhere. */
  readonly moves: number;
  readonly wontFit: readonly Unplaced[];
  readonly wontFitCount: number;
  /** Services of which every running task is there, or of which it has a local volume. */
  readonly losesOnly: readonly {
    readonly service: string;
    readonly reason: 'only replica' | 'local volume';
  }[];
  /** Absent for workers. */
  readonly managers?: QuorumImpact;
}

export interface QuorumImpact {
  /** Managers that would be left and can be reached now. */
  readonly left: number;
  readonly total: number;
  readonly keepsQuorum: boolean;
}

/** The answer for every node. */
export interface Survivability {
  /** The log index of the state that it was computed on. */
  readonly index: LogIndex;
  readonly nodes: readonly NodeLoss[];
}

/** Loses every node in turn, each time going back to where all nodes were there. */
export function* survivabilityOf(view: StateView, now: Instant): Sliced<Survivability> {
  const rehearsal = yield* calmRehearsal(view, now);
  const { index } = rehearsal;
  const begun = rehearsal.now;
  rehearsal.mark();
  const nodes: NodeLoss[] = [];
  for (const node of [...rehearsal.view.nodes.values()]) {
    if (node.status.state !== 'ready') continue;
    nodes.push(yield* lossOf(rehearsal, node));
    rehearsal.rewind(begun);
  }
  return { index, nodes };
}

function* lossOf(rehearsal: Rehearsal, node: Node): Sliced<NodeLoss> {
  const { view } = rehearsal;
  const losesOnly = onlyOn(view, node.id);
  const managers = quorumWithout(view, node);
  const hypothesis = { kind: 'lose', node: node.id } as const;
  const supposed = changesOf(view, hypothesis);
  if (supposed.kind === 'changes') rehearsal.suppose(supposed.changes);
  yield* rehearsal.settle(patienceFor(hypothesis));
  const { wontFit, counts } = outcomeOf(rehearsal);
  return {
    node: nodeName(view, node.id),
    moves: counts.moves,
    wontFit: wontFit.slice(0, wontFitMax),
    wontFitCount: counts.wontFit,
    losesOnly,
    ...(managers && { managers }),
  };
}

function onlyOn(view: StateView, nodeId: string): NodeLoss['losesOnly'] {
  const lost: NodeLoss['losesOnly'][number][] = [];
  const services = new Set(Array.from(view.tasks.byNode(nodeId), ({ serviceId }) => serviceId));
  for (const serviceId of services) {
    const service = view.services.get(serviceId);
    if (service === undefined) continue;
    const running = Array.from(view.tasks.byService(serviceId)).filter(
      (task) => isLive(task) && task.status.state === 'running',
    );
    if (!running.some((task) => task.nodeId === nodeId)) continue;
    if (hasLocalVolume(view, serviceId, service.revision))
      lost.push({ service: service.name, reason: 'local volume' });
    else if (running.every((task) => task.nodeId === nodeId))
      lost.push({ service: service.name, reason: 'only replica' });
  }
  return lost.sort((a, b) => (a.service < b.service ? -1 : 1));
}

function hasLocalVolume(view: StateView, serviceId: string, revision: number): boolean {
  const mounts = view.revisions.of(serviceId, revision)?.spec.TaskTemplate.ContainerSpec.Mounts;
  return (mounts ?? []).some(isLocalVolume);
}

function quorumWithout(view: StateView, node: Node): QuorumImpact | undefined {
  if (node.manager === undefined) return undefined;
  const managers = [...view.nodes.values()].filter(({ manager }) => manager !== undefined);
  const left = managers.filter(({ id, status }) => id !== node.id && status.state === 'ready');
  const total = managers.length;
  return { left: left.length, total, keepsQuorum: left.length > total / 2 };
}
