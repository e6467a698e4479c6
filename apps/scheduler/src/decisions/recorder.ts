import type { Decision } from '@shoal/stage';
import type { Task } from '@shoal/state';
import type { Board } from '../board.ts';
import type { GroupDecision, Look } from './decision.ts';
import { lookAt } from './look.ts';
import type { DecisionStore } from './store.ts';

/** Hears what each step decided, with the board as it stands after that. */
export interface Recorder {
  note(board: Board, decisions: readonly Decision[]): void;
}

/** Nodes are looked at for the record in steps about few services and in clusters of so many nodes. */
export const lookNodesMax = 256;
const lookGroupsMax = 4;

interface Draft {
  readonly task: Task;
  readonly placed: { taskId: string; nodeId: string }[];
  readonly waiting: string[];
  err: string;
}

/** Writes down each step, one record for all tasks of a revision. */
export class DecisionRecorder implements Recorder {
  readonly #store: DecisionStore;

  constructor(store: DecisionStore) {
    this.#store = store;
  }

  note(board: Board, decisions: readonly Decision[]): void {
    if (decisions.length === 0) return;
    const drafts = draftsOf(decisions);
    const looks = drafts.size <= lookGroupsMax && board.ledger.size <= lookNodesMax;
    for (const draft of drafts.values()) this.#store.add(decisionOf(board, draft, looks));
  }
}

function draftsOf(decisions: readonly Decision[]): ReadonlyMap<string, Draft> {
  const drafts = new Map<string, Draft>();
  for (const decision of decisions) {
    if (decision.kind !== 'transaction') continue;
    for (const change of decision.changes) {
      if (change.op !== 'update' || change.table !== 'task') continue;
      const task = change.object;
      const { state, err } = task.status;
      if (state !== 'assigned' && (state !== 'pending' || err === '')) continue;
      const key = `${task.serviceId}.${task.revision}`;
      const draft = drafts.get(key) ?? { task, placed: [], waiting: [], err: '' };
      drafts.set(key, draft);
      if (state === 'assigned') draft.placed.push({ taskId: task.id, nodeId: task.nodeId });
      else {
        draft.waiting.push(task.id);
        draft.err = err;
      }
    }
  }
  return drafts;
}

function decisionOf(
  board: Board,
  { task, placed, waiting, err }: Draft,
  looks: boolean,
): GroupDecision {
  const { serviceId, revision: number } = task;
  const { view, now } = board;
  const revision = looks ? view.revisions.of(serviceId, number) : undefined;
  return {
    serviceId,
    revision: number,
    at: now,
    logIndex: view.index,
    placed,
    waiting,
    err,
    look: revision && withoutPlaced(lookAt(board, revision), placed),
  };
}

/** The board counts what the step has placed; the record shows the nodes as they were before. */
function withoutPlaced(look: Look, placed: GroupDecision['placed']): Look {
  const more = new Map<string, number>();
  for (const { nodeId } of placed) more.set(nodeId, (more.get(nodeId) ?? 0) + 1);
  const candidates = look.candidates.map((candidate) => {
    const count = more.get(candidate.nodeId);
    if (count === undefined) return candidate;
    const ofService = Math.max(0, candidate.ofService - count);
    // It took a task, so it did fit, whatever it lacks for the next.
    return { ...candidate, fails: '', lacks: '', ofService, total: candidate.total - count };
  });
  return { ...look, candidates };
}
