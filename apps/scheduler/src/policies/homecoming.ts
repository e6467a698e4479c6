import type { Revision, Task } from '@shoal/state';
import type { Board } from '../board.ts';
import type { Candidate } from '../candidate.ts';
import { type Placed, placeTasks } from '../placement.ts';
import { awayFromHome, holdsDataOf, homeOf } from './homes.ts';

/** A task that was left without a node. */
export interface Left {
  readonly task: Task;
  /** Why, as `Status.Err` says it; undefined when it is the turn of another task of the slot. */
  readonly err: string | undefined;
  /** The node that it has to go to; undefined when any will do. */
  readonly home?: Candidate | 'gone' | undefined;
}

/** Places each task where the data of its slot is; those whose slot has none yet go where it is best. */
export function placeAtHomes(
  board: Board,
  revision: Revision,
  tasks: readonly Task[],
): { readonly placed: readonly Placed[]; readonly left: readonly Left[] } {
  const placed: Placed[] = [];
  const left: Left[] = [];
  const free = new Map<number, Task>();
  /** Each goes where the first task of its slot does, once that is known. */
  const mates: Task[] = [];
  const settled = new Set<number>();
  const pipeline = board.pipeline(revision);
  for (const task of tasks) {
    const home = homeOf(board.view, task, revision);
    const candidate = home && board.candidate(home.nodeId);
    if (candidate !== undefined && pipeline.judge(candidate) === undefined) {
      const genericResources = board.place(candidate, revision);
      placed.push({ task, nodeId: candidate.id, genericResources });
      settled.add(task.slot);
    } else if (home === undefined || !holdsDataOf(home, revision)) {
      // Data of other volumes, which a rollback may ask for again, is a reason to stay and none to wait.
      if (free.has(task.slot) || settled.has(task.slot)) mates.push(task);
      else free.set(task.slot, task);
    } else {
      const lack = candidate === undefined ? '' : pipeline.lacks(candidate).words;
      left.push({
        task,
        err: awayFromHome(board.view, task, home, lack),
        home: candidate ?? 'gone',
      });
    }
  }
  if (free.size + mates.length === 0) return { placed, left };
  const others = placeTasks(board, revision, [...free.values()]);
  for (const one of others.placed) placed.push(one);
  const waiting = new Set([...free.keys()].slice(others.placed.length));
  for (const task of [...free.values(), ...mates])
    if (waiting.has(task.slot)) left.push({ task, err: others.err });
    else if (free.get(task.slot) !== task) left.push({ task, err: undefined });
  return { placed, left };
}
