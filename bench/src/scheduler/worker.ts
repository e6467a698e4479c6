import { parentPort, workerData } from 'node:worker_threads';
import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import { rendezvous } from '@shoal/stage';
import type { AppliedChange, Transaction } from '@shoal/state';
import { measureAlone } from './alone.ts';
import { warmUp, warmUpRuns } from './shapes.ts';
import type { Batch, Given, Said } from './shared-log.ts';
import { makeWorld } from './world.ts';

/** One scheduler in a thread of its own, with a state of its own, behind the log of the main thread. */

const { shape, id, ids } = workerData as Given;
const port = parentPort;
invariant(port !== null, 'this is a worker');
const say = (said: Said): void => port.postMessage(said);
const now = 1_700_000_100_000 as Instant;
const actor = { kind: 'stage', name: 'scheduler' } as const;
// A program that has just begun is not what is measured.
for (let run = 0; run < warmUpRuns; run += 1) measureAlone(warmUp);
const state = makeWorld(shape);
const stage = createScheduler();
const { owner } = rendezvous(ids);
const mine = (key: string): boolean => owner(key) === id;

let changes: AppliedChange[] = [];
let due = new Set<string>();
let everything = true;

function step(): void {
  const changed = { everything, changes, due };
  everything = false;
  changes = [];
  due = new Set();
  const batch: Batch = { from: id, taskIds: [], nodeIds: [], versions: [] };
  for (const decision of stage.step(state.view, changed, now, mine)) {
    const change = decision.kind === 'transaction' ? decision.changes[0] : undefined;
    if (change?.op !== 'update' || change.table !== 'task') continue;
    batch.taskIds.push(change.object.id);
    batch.nodeIds.push(change.object.nodeId);
    batch.versions.push(change.object.meta.version);
  }
  if (batch.taskIds.length > 0) say({ kind: 'proposes', batch });
}

/** The transactions of a batch, as the scheduler that made it wrote them. */
function transactionsOf(batch: Batch, index: LogIndex): Transaction[] {
  return batch.taskIds.map((taskId, at): Transaction => {
    const task = state.view.tasks.get(taskId);
    invariant(task !== undefined, 'a task is gone', { taskId });
    const message = 'scheduler assigned task to node';
    const version = (batch.versions[at] ?? 0) as LogIndex;
    const object = {
      ...task,
      meta: { ...task.meta, version },
      nodeId: batch.nodeIds[at] ?? '',
      status: { ...task.status, state: 'assigned' as const, at: now, message, err: '' },
    };
    return {
      id: `${index}.${at}`,
      actor,
      reason: message,
      decidedAt: index,
      changes: [{ op: 'update', table: 'task', object }],
    };
  });
}

function apply(batch: Batch): void {
  const index = (state.view.index + 1) as LogIndex;
  const transactions = transactionsOf(batch, index);
  const entry = state.applyTransactions(index, now, transactions);
  for (const change of entry.changes) changes.push(change);
  let refused = 0;
  for (const [at, outcome] of entry.outcomes.entries()) {
    if (outcome.kind !== 'refused') continue;
    refused += 1;
    const serviceId = state.view.tasks.get(batch.taskIds[at] ?? '')?.serviceId;
    if (batch.from === id && serviceId !== undefined) due.add(serviceId);
  }
  if (batch.from !== id) return;
  say({ kind: 'applied', committed: batch.taskIds.length - refused });
  step();
}

port.on('message', (message: Batch | 'go') => {
  if (message === 'go') step();
  else apply(message);
});
say({ kind: 'ready' });
