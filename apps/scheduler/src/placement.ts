import type { GenericResource, Revision, Task } from '@shoal/state';
import type { Board } from './board.ts';
import type { Candidate } from './candidate.ts';
import type { Pipeline } from './filters/pipeline.ts';
import { scoreFor } from './policies/score.ts';
import { hashOf } from './ranking.ts';
import { type Score, Scored } from './scored.ts';
import { descriptorsOf } from './survey.ts';
import { noSuitableNode } from './wait-text.ts';

export interface Placed {
  readonly task: Task;
  readonly nodeId: string;
  readonly genericResources: readonly GenericResource[] | undefined;
}

export interface Placement {
  readonly placed: readonly Placed[];
  /** Why the next task has no node, as `Status.Err` says it; undefined when all were placed. */
  readonly err: string | undefined;
}

/** Finds nodes for the tasks of one revision, in order, counting them in on the board. */
export function placeTasks(board: Board, revision: Revision, tasks: readonly Task[]): Placement {
  const needs = board.needs(revision);
  const score = needs.plain ? undefined : scoreFor(needs);
  const placed = score === undefined ? placeQuickly(board, revision, tasks) : [];
  if (placed.length === tasks.length) return { placed, err: undefined };
  const err = placeBySurvey({ board, revision, score, tasks, placed });
  return { placed, err };
}

function put(board: Board, revision: Revision, task: Task, candidate: Candidate): Placed {
  return { task, nodeId: candidate.id, genericResources: board.place(candidate, revision) };
}

/** What a node must be for the quick search: without a task of the service, with room, and trusted. */
class Untouched {
  readonly #serviceId: string;
  readonly #pipeline: Pipeline;
  readonly #suspects: ReadonlyMap<string, number>;

  constructor(board: Board, revision: Revision) {
    this.#serviceId = revision.serviceId;
    this.#pipeline = board.pipeline(revision);
    this.#suspects = board.ledger.suspects(revision, board.now);
  }

  accepts(candidate: Candidate): boolean {
    return (
      candidate.tasksOf(this.#serviceId) === 0 &&
      this.#pipeline.hasRoom(candidate) &&
      (this.#suspects.size === 0 || !this.#suspects.has(candidate.id))
    );
  }
}

/**
 * Places as many of the first tasks as find, in a short search, a node without a task of the service:
 * the same choice that a look at all nodes would come to.
 */
function placeQuickly(board: Board, revision: Revision, tasks: readonly Task[]): Placed[] {
  let placed: Placed[] = [];
  if (tasks.length === 0 || board.hasSurvey(revision)) return placed;
  const isSpread = descriptorsOf(revision).length > 0;
  // Branches are compared by their tasks of the service, which a shared terrain does not count.
  if (isSpread && board.hasTasksOf(revision.serviceId)) return placed;
  const terrain = board.terrain(revision);
  const untouched = new Untouched(board, revision);
  const taken: Candidate[] = [];
  for (const task of tasks) {
    const candidate = terrain.find(hashOf(task.id), untouched);
    if (candidate === undefined) break;
    const one = put(board, revision, task, candidate);
    // Very many services have one task: a list of one takes less room than one that is to grow.
    if (placed.length === 0) placed = [one];
    else placed.push(one);
    terrain.took(candidate);
    if (isSpread) taken.push(candidate);
  }
  terrain.forget(taken);
  return placed;
}

interface Surveying {
  readonly board: Board;
  readonly revision: Revision;
  readonly score: Score | undefined;
  readonly tasks: readonly Task[];
  readonly placed: Placed[];
}

/** Places the tasks after those placed by what is known of all nodes; returns why one had to wait. */
function placeBySurvey({ board, revision, score, tasks, placed }: Surveying): string | undefined {
  const survey = board.survey(revision);
  const { serviceId } = revision;
  const suspects = board.ledger.suspects(revision, board.now);
  let scored: Scored | undefined;
  for (let at = placed.length; at < tasks.length; at += 1) {
    const task = tasks[at] as Task;
    const hash = hashOf(task.id);
    if (score !== undefined) scored ??= new Scored({ score, serviceId, suspects, hash });
    const candidate = scored ? survey.bestScored(hash, scored) : survey.best(hash, suspects);
    if (candidate === undefined) return noSuitableNode(survey.explanation, survey.nearest);
    placed.push(put(board, revision, task, candidate));
    survey.look(candidate);
  }
  return undefined;
}
