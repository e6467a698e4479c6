import { parentPort, workerData } from 'node:worker_threads';
import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import { rendezvous } from '@shoal/stage';
import type { AppliedChange, Change, Transaction } from '@shoal/state';
import { decodeBatch, encodeBatch } from './batch.ts';
import type { Given, Heard, Said } from './shared-log.ts';
import { makeWorld, type Shape } from './world.ts';

/** One scheduler in a thread of its own, with a state of its own, behind the log of the main thread. */

const { id, ids } = workerData as Given;
const port = parentPort;
invariant(port !== null, 'this is a worker');
const say = (said: Said): void => port.postMessage(said);
const now = 1_700_000_100_000 as Instant;
const actor = { kind: 'stage', name: 'scheduler' } as const;
const { owner } = rendezvous(ids);
const mine = (key: string): boolean => owner(key) === id;

class Scheduling {
  readonly #state;
  readonly #stage = createScheduler();
  #changes: AppliedChange[] = [];
  #due = new Set<string>();
  #everything = true;
  /** What was proposed and has not come back: it need not be decoded again. */
  #proposed: readonly Transaction[] = [];

  constructor(shape: Shape) {
    this.#state = makeWorld(shape);
  }

  step(): void {
    const changed = { everything: this.#everything, changes: this.#changes, due: this.#due };
    this.#everything = false;
    this.#changes = [];
    this.#due = new Set();
    const { view } = this.#state;
    const transactions: Transaction[] = [];
    for (const decision of this.#stage.step(view, changed, now, mine))
      if (decision.kind === 'transaction')
        transactions.push(this.#transaction(decision.reason, decision.changes));
    this.#proposed = transactions;
    if (transactions.length > 0)
      say({ kind: 'proposes', from: id, bytes: encodeBatch(transactions) });
  }

  apply(from: string, bytes: Uint8Array): void {
    const { view } = this.#state;
    const own = from === id;
    const transactions = own ? this.#proposed : decodeBatch(bytes, view);
    const index = (view.index + 1) as LogIndex;
    const { changes, outcomes } = this.#state.applyTransactions(index, now, transactions);
    for (const change of changes) this.#changes.push(change);
    if (!own) return;
    const refused = outcomes.filter(({ kind }) => kind === 'refused');
    for (const { transaction } of refused)
      this.#due.add(view.tasks.get(transaction)?.serviceId ?? '');
    say({ kind: 'applied', committed: outcomes.length - refused.length });
    this.step();
  }

  /** Each is of one task, by whose id its outcome is known. */
  #transaction(reason: string, changes: readonly Change[]): Transaction {
    const [change] = changes;
    invariant(change?.op === 'update', 'not a placement', { reason });
    const decidedAt = this.#state.view.index;
    return { id: change.object.id, actor, reason, decidedAt, changes };
  }
}

let scheduling: Scheduling | undefined;
/** The first one is kept, so that something of its kind is always alive, as in `alone.ts`. */
const kept: Scheduling[] = [];

port.on('message', (heard: Heard) => {
  if (heard.kind === 'world') {
    // Not two worlds at once.
    scheduling = undefined;
    scheduling = new Scheduling(heard.shape);
    if (kept.length === 0) kept.push(scheduling);
    say({ kind: 'ready' });
  } else if (heard.kind === 'go') scheduling?.step();
  else scheduling?.apply(heard.from, heard.bytes);
});
say({ kind: 'ready' });
