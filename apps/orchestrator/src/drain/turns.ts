import type { Instant } from '@shoal/runtime';
import { isBefore, isTerminal, type StateView, type Task } from '@shoal/state';
import { byAge, isLive } from '../slots.ts';
import { departureOf } from './departure.ts';

/** How far the move of a task that leaves gently is. */
export type MoveStage =
  /** Another task of the slot is to take over. */
  | 'moving'
  /** What was to take over ended for good; the task stays until the deadline. */
  | 'stuck'
  | 'waiting';

/**
 * `mates` are all tasks of the slot. What failed before this drain, or of another revision than would be
 * tried, says nothing of this move.
 */
export function moveStageOf(
  view: StateView,
  leaving: Task,
  mates: Iterable<Task>,
  now: Instant,
): MoveStage {
  const since = view.nodes.get(leaving.nodeId)?.drain?.since ?? now;
  const revision = view.services.get(leaving.serviceId)?.revision;
  let stage: MoveStage = 'waiting';
  for (const mate of mates) {
    if (mate.id === leaving.id) continue;
    if (isLive(mate)) {
      if (departureOf(view, mate, now).kind === 'stays') return 'moving';
    } else if (mate.revision === revision && mate.meta.createdAt >= since && hasFailed(mate))
      stage = 'stuck';
  }
  return stage;
}

function hasFailed({ status }: Task): boolean {
  return isTerminal(status.state) && status.state !== 'shutdown' && status.state !== 'orphaned';
}

interface Memo {
  readonly index: number;
  readonly now: Instant;
  readonly turns: Map<string, readonly Task[]>;
}

const memos = new WeakMap<StateView, Memo>();

/**
 * Tasks whose turn it is to leave the node, where the parallelism counts per node: the oldest first.
 * Tasks that are moving already are left out. Computed once for each state and time.
 */
export function turnsOf(view: StateView, nodeId: string, now: Instant): readonly Task[] {
  let memo = memos.get(view);
  if (memo === undefined || memo.index !== view.index || memo.now !== now) {
    memo = { index: view.index, now, turns: new Map() };
    memos.set(view, memo);
  }
  let turns = memo.turns.get(nodeId);
  if (turns === undefined) {
    turns = computeTurns(view, nodeId, now);
    memo.turns.set(nodeId, turns);
  }
  return turns;
}

function computeTurns(view: StateView, nodeId: string, now: Instant): readonly Task[] {
  const waiting: Task[] = [];
  let moving = 0;
  let most = 0;
  for (const task of view.tasks.byNode(nodeId)) {
    if (isBefore('running', task.desired)) continue;
    const departure = departureOf(view, task, now);
    if (departure.kind !== 'gently' || departure.terms.scope !== 'node') continue;
    most = departure.terms.parallelism;
    const stage = moveStageOf(view, task, view.tasks.bySlot(task.serviceId, task.slot), now);
    if (stage === 'moving') moving += 1;
    if (stage === 'waiting') waiting.push(task);
  }
  return waiting.sort(byAge).slice(0, Math.max(0, most - moving));
}
