import type { Revision, Task } from '@shoal/state';
import type { Board } from '../board.ts';
import type { Candidate } from '../candidate.ts';
import { type Placed, placeTasks } from '../placement.ts';
import { awayFromHome } from './homes.ts';

/** A task that was left without a node. */
export interface Left {
  readonly task: Task;
  /** Why, as `Status.Err` says it; undefined when it is the turn of another task of the slot. */
  readonly err: string | undefined;
  /** The node that it has to go to, if that is there. */
  readonly home?: Candidate | undefined;
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
  const pipeline = board.pipeline(revision);
  for (const task of tasks) {
    const home = board.view.volumeHomes.of(task.serviceId, task.slot);
    const candidate = home && board.candidate(home.nodeId);
    if (home === undefined) {
      if (free.has(task.slot)) mates.push(task);
      else free.set(task.slot, task);
    } else if (candidate !== undefined && pipeline.judge(candidate) === undefined) {
      const genericResources = board.place(candidate, revision);
      placed.push({ task, nodeId: candidate.id, genericResources });
    } else {
      const lack = candidate === undefined ? '' : pipeline.lacks(candidate).words;
      left.push({ task, err: awayFromHome(board.view, home, lack), home: candidate });
    }
  }
  if (free.size === 0) return { placed, left };
  const others = placeTasks(board, revision, [...free.values()]);
  placed.push(...others.placed);
  const waiting = new Set([...free.keys()].slice(others.placed.length));
  for (const task of [...free.values(), ...mates])
    if (waiting.has(task.slot)) left.push({ task, err: others.err });
    else if (free.get(task.slot) !== task) left.push({ task, err: undefined });
  return { placed, left };
}
