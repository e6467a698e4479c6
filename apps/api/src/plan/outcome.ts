import type { Node, StateView, Task } from '@shoal/state';
import type { Rehearsal } from './rehearsal.ts';
import { liveIn, type Place } from './touched.ts';

/** Lines of each kind that an outcome holds at most; the counts are always whole. */
export const linesMax = 1_000;

export interface NodeName {
  readonly id: string;
  readonly hostname: string;
}

/** A task as `docker service ps` names it. */
export interface TaskName {
  readonly task: string;
  readonly service: string;
}

export interface Move extends TaskName {
  readonly from: NodeName;
  readonly to: NodeName;
}
export interface Start extends TaskName {
  readonly on: NodeName;
}
export interface Stop extends TaskName {
  readonly on: NodeName;
  readonly reason: string;
}
export interface Unplaced extends TaskName {
  /** Where it ran before; absent for a task that would be new. */
  readonly from?: NodeName;
  /** The scheduler's own sentence. */
  readonly reason: string;
}

/** What would happen to tasks. */
export interface Outcome {
  readonly moves: readonly Move[];
  readonly starts: readonly Start[];
  readonly stops: readonly Stop[];
  readonly wontFit: readonly Unplaced[];
  readonly counts: Readonly<Record<'moves' | 'starts' | 'stops' | 'wontFit', number>>;
}

/** Compares what lives where at the end of a rehearsal with what lived there at its mark. */
export function outcomeOf(rehearsal: Rehearsal): Outcome {
  const { view, waiting, touched } = rehearsal;
  const moves: Move[] = [];
  const starts: Start[] = [];
  const stops: Stop[] = [];
  const wontFit: Unplaced[] = [];
  for (const { place, before } of touched.values()) {
    const after = liveIn(view, place);
    const name = taskName(view, place, before ?? after);
    if (after === undefined) {
      if (before !== undefined && before.status.state === 'running')
        stops.push({ ...name, on: nodeName(view, before.nodeId), reason: whyStopped(place) });
      continue;
    }
    if (!touched.isMade(after) && after.nodeId === before?.nodeId) continue;
    const from = before === undefined ? undefined : nodeName(view, before.nodeId);
    if (after.status.state === 'running') {
      const to = nodeName(view, after.nodeId);
      if (from === undefined || from.id === '') starts.push({ ...name, on: to });
      else if (from.id !== to.id) moves.push({ ...name, from, to });
    } else if (before === undefined || before.status.state === 'running')
      wontFit.push({ ...name, ...(from && { from }), reason: whyWaiting(after, waiting) });
  }
  const counts = {
    moves: moves.length,
    starts: starts.length,
    stops: stops.length,
    wontFit: wontFit.length,
  };
  return {
    moves: inOrder(moves),
    starts: inOrder(starts),
    stops: inOrder(stops),
    wontFit: inOrder(wontFit),
    counts,
  };
}

function inOrder<T extends TaskName>(lines: readonly T[]): readonly T[] {
  const byTask = new Intl.Collator('en', { numeric: true });
  return [...lines].sort((a, b) => byTask.compare(a.task, b.task)).slice(0, linesMax);
}

function whyStopped({ nodeId }: Place): string {
  return nodeId === '' ? 'no longer wanted' : 'runs once on each node, and goes with its node';
}

function whyWaiting(task: Task, waiting: ReadonlyMap<string, string>): string {
  return waiting.get(task.id) ?? `still ${task.status.state} when the plan ended`;
}

function taskName(view: StateView, place: Place, task: Task | undefined): TaskName {
  const { serviceId, slot, nodeId } = place;
  const service = view.services.get(serviceId)?.name ?? serviceId;
  const where = nodeId === '' ? slot : (task?.nodeId ?? nodeId);
  return { task: `${service}.${where}`, service };
}

export function nodeName(view: StateView, id: string): NodeName {
  return { id, hostname: hostnameOf(view.nodes.get(id)) ?? id };
}

function hostnameOf(node: Node | undefined): string | undefined {
  return node?.description?.Hostname;
}
