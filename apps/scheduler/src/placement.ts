import type { GenericResource, Revision, Task } from '@shoal/state';
import type { Board } from './board.ts';
import type { Candidate } from './candidate.ts';
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
export function placeTasks(
  board: Board,
  revision: Revision,
  tasks: Iterator<Task, unknown>,
): Placement {
  const placed: Placed[] = [];
  const put = (task: Task, candidate: Candidate): void => {
    const genericResources = board.place(candidate, revision);
    placed.push({ task, nodeId: candidate.id, genericResources });
  };
  const needs = board.needs(revision);
  const score = needs.plain ? undefined : scoreFor(needs);
  const next = score === undefined ? placeQuickly(board, revision, tasks, put) : nextOf(tasks);
  if (next === undefined) return { placed, err: undefined };
  return { placed, err: placeBySurvey(board, revision, score, [next, tasks], put) };
}

type Put = (task: Task, candidate: Candidate) => void;

/**
 * Places as many of the first tasks as find, in a short search, a node without a task of the service:
 * the same choice that a look at all nodes would come to. Returns the first task that found none.
 */
function placeQuickly(
  board: Board,
  revision: Revision,
  tasks: Iterator<Task, unknown>,
  put: Put,
): Task | undefined {
  const { serviceId } = revision;
  const first = nextOf(tasks);
  if (first === undefined || board.hasSurvey(revision)) return first;
  // Branches are compared by their tasks of the service, which a shared terrain does not count.
  if (descriptorsOf(revision).length > 0 && board.hasTasksOf(serviceId)) return first;
  const terrain = board.terrain(revision);
  const pipeline = board.pipeline(revision);
  const suspects = board.ledger.suspects(revision, board.now);
  const accepts = (candidate: Candidate): boolean =>
    candidate.tasksOf(serviceId) === 0 &&
    pipeline.hasRoom(candidate) &&
    (suspects.size === 0 || !suspects.has(candidate.id));
  const taken: Candidate[] = [];
  let task: Task | undefined = first;
  for (; task !== undefined; task = nextOf(tasks)) {
    const candidate = terrain.find(hashOf(task.id), accepts);
    if (candidate === undefined) break;
    put(task, candidate);
    terrain.took(candidate);
    taken.push(candidate);
  }
  terrain.forget(taken);
  return task;
}

/** Places `first` and the tasks after it by what is known of all nodes; returns why one had to wait. */
function placeBySurvey(
  board: Board,
  revision: Revision,
  score: Score | undefined,
  [first, tasks]: readonly [Task, Iterator<Task, unknown>],
  put: Put,
): string | undefined {
  const survey = board.survey(revision);
  const { serviceId } = revision;
  const suspects = board.ledger.suspects(revision, board.now);
  const scored = score && new Scored({ score, serviceId, suspects, hash: hashOf(first.id) });
  for (let task: Task | undefined = first; task !== undefined; task = nextOf(tasks)) {
    const hash = hashOf(task.id);
    const candidate = scored ? survey.bestScored(hash, scored) : survey.best(hash, suspects);
    if (candidate === undefined) return noSuitableNode(survey.explanation, survey.nearest);
    put(task, candidate);
    survey.look(candidate);
  }
  return undefined;
}

function nextOf(tasks: Iterator<Task, unknown>): Task | undefined {
  const next = tasks.next();
  return next.done === true ? undefined : next.value;
}
