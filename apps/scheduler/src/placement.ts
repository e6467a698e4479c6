import type { Revision, StateView, Task } from '@shoal/state';
import type { Board } from './board.ts';
import type { Candidate } from './candidate.ts';
import type { Needs } from './filters/filter.ts';
import { explain, type Pipeline, pipelineFor } from './filters/pipeline.ts';
import type { Group } from './queue.ts';
import { hashOf } from './ranking.ts';
import { placeInTree, spreadTree } from './spread.ts';

export interface Placed {
  readonly task: Task;
  readonly nodeId: string;
}

export interface GroupOutcome {
  readonly placed: readonly Placed[];
  readonly left: readonly Task[];
  /** Why those left have no node, as `Status.Err` says it; empty when none is left. */
  readonly err: string;
}

export function needsOf(view: StateView, revision: Revision): Needs {
  const networks = (revision.spec.TaskTemplate.Networks ?? []).flatMap(
    ({ Target }) => view.networks.get(Target) ?? [],
  );
  return { revision, networks };
}

/** Finds nodes for the group's tasks, counting them in on the board, and notes why nodes are unfit. */
export function placeGroup(
  view: StateView,
  board: Board,
  group: Group,
  changedNodes: ReadonlySet<string>,
): GroupOutcome {
  const tasks = [...group.tasks].flatMap((id) => view.tasks.get(id) ?? []).sort(bySlot);
  const revision = view.revisions.of(group.serviceId, group.revision);
  if (revision === undefined || tasks.length === 0) return { placed: [], left: [], err: '' };
  const pipeline = pipelineFor(needsOf(view, revision));
  const quick = group.verdicts === undefined ? placeLightest(board, revision, pipeline, tasks) : [];
  const rest = tasks.slice(quick.length);
  if (rest.length === 0) return { placed: quick, left: [], err: '' };
  const outcome = placeRanked(board, revision, pipeline, group, rest, changedNodes);
  return { ...outcome, placed: [...quick, ...outcome.placed] };
}

/** Places as many of the first tasks as find a lightly loaded node quickly. */
function placeLightest(
  board: Board,
  revision: Revision,
  pipeline: Pipeline,
  tasks: readonly Task[],
): readonly Placed[] {
  const placed: Placed[] = [];
  if ((revision.spec.TaskTemplate.Placement?.Preferences ?? []).length > 0) return placed;
  for (const task of tasks) {
    const fits = (candidate: Candidate): boolean => pipeline(candidate) === undefined;
    const candidate = board.findLightest(revision, hashOf(task.id), fits);
    if (candidate === undefined) break;
    board.place(candidate, revision);
    placed.push({ task, nodeId: candidate.node.id });
  }
  return placed;
}

/** Places tasks by a ranking of all nodes that may take one, or of those that changed. */
function placeRanked(
  board: Board,
  revision: Revision,
  pipeline: Pipeline,
  group: Group,
  tasks: readonly Task[],
  changedNodes: ReadonlySet<string>,
): GroupOutcome {
  const verdicts = group.verdicts ?? new Map<string, number>();
  const judge = (candidate: Candidate): boolean => {
    const verdict = pipeline(candidate);
    if (verdict === undefined) verdicts.delete(candidate.node.id);
    else verdicts.set(candidate.node.id, verdict);
    return verdict === undefined;
  };
  const candidates =
    group.verdicts === undefined ? [...board.all()] : look(board, verdicts, changedNodes);
  const taskHash = hashOf(tasks[0]?.id ?? '');
  const ranked = candidates
    .filter(judge)
    .map((candidate) => board.rank(candidate, revision, taskHash));
  const tree = treeOver(board, revision, ranked);
  const placed: Placed[] = [];
  for (const task of tasks) {
    const best = placeInTree(tree, ({ candidate }) => judge(candidate));
    if (best === undefined) break;
    board.place(best.candidate, revision);
    placed.push({ task, nodeId: best.candidate.node.id });
  }
  const left = tasks.slice(placed.length);
  group.verdicts = left.length > 0 ? verdicts : undefined;
  return { placed, left, err: left.length > 0 ? noSuitableNode(explain(verdicts.values())) : '' };
}

function treeOver(
  board: Board,
  revision: Revision,
  ranked: Parameters<typeof spreadTree>[1],
): ReturnType<typeof spreadTree> {
  const preferences = revision.spec.TaskTemplate.Placement?.Preferences ?? [];
  if (preferences.length === 0) return spreadTree([], ranked, []);
  const counted = [...board.all()].map((candidate) => ({
    node: candidate.node,
    tasks: candidate.tasksOf(revision.serviceId),
  }));
  return spreadTree(
    preferences.map(({ Spread }) => Spread.SpreadDescriptor),
    ranked,
    counted,
  );
}

/** The changed nodes that still exist; what was known of the others is forgotten. */
function look(
  board: Board,
  verdicts: Map<string, number>,
  changedNodes: ReadonlySet<string>,
): Candidate[] {
  const found: Candidate[] = [];
  for (const nodeId of changedNodes) {
    const candidate = board.candidate(nodeId);
    if (candidate === undefined) verdicts.delete(nodeId);
    else found.push(candidate);
  }
  return found;
}

export function noSuitableNode(explanation: string): string {
  return explanation === '' ? 'no suitable node' : `no suitable node (${explanation})`;
}

function bySlot(a: Task, b: Task): number {
  return a.slot - b.slot || (a.id < b.id ? -1 : 1);
}
