import type { Instant, LogIndex } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Outcome, type Refusal, State, type Transaction } from './index.ts';
import { beginning, complete, histories, type PlannedTransaction } from './testing/arbitrary.ts';
import { applyNext, imageOf, restored } from './testing/bytes.ts';
import { NaiveModel } from './testing/naive-model.ts';
import { naiveReadsOf, readsOf } from './testing/reads.ts';

const runs = { numRuns: 120 };
/** A second or two at rest; machines that test are rarely at rest. */
const timeoutMs = 60_000;

const everyRefusal: readonly Refusal['kind'][] = [
  'address-outside',
  'address-taken',
  'already-exists',
  'host-port-taken',
  'immutable',
  'in-use',
  'is-manager',
  'last-manager',
  'missing-reference',
  'name-conflict',
  'not-found',
  'over-capacity',
  'port-taken',
  'stale-lease',
  'state-moved-back',
  'subnet-overlap',
  'too-many-replicas',
  'version-conflict',
  'vni-taken',
];

/** One entry of a history: its plans, made whole on what the model knows at that moment. */
interface Step {
  readonly index: LogIndex;
  readonly time: Instant;
  readonly transactions: readonly Transaction[];
  readonly verdicts: readonly ReturnType<NaiveModel['transact']>[];
  readonly model: NaiveModel;
}

/** Lets the model live a history, step by step. */
function* steps(history: readonly (readonly PlannedTransaction[])[]): IterableIterator<Step> {
  const model = new NaiveModel();
  for (const [at, plans] of [undefined, ...history].entries()) {
    const index = (at + 1) as LogIndex;
    const time = (1_000 * index) as Instant;
    const transactions = plans?.map((plan, number) => complete(plan, `${at}-${number}`, model));
    const whole = transactions ?? [beginning];
    const verdicts = whole.map((one) => model.transact(index, time, one));
    yield { index, time, transactions: whole, verdicts, model };
  }
}

function verdictOf(outcome: Outcome): Step['verdicts'][number] {
  return outcome.kind === 'refused'
    ? { change: outcome.change, kind: outcome.refusal.kind }
    : undefined;
}

describe('the state machine', { timeout: timeoutMs }, () => {
  test('judges and reads as a naive model does, usage recounted from scratch', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const state = new State();
        for (const { index, transactions, verdicts, model } of steps(history)) {
          const { outcomes } = applyNext(state, ...transactions);
          expect(outcomes.map(verdictOf)).toEqual(verdicts);
          expect(readsOf(state.view)).toEqual(naiveReadsOf(model, index));
        }
      }),
      runs,
    );
  });

  // One seed, lest a draw that happens to miss the rarest rule be taken for a fault.
  test('is tried by histories that reach every rule and commit a fair part', () => {
    const seen = new Map<string, number>();
    for (const history of fc.sample(histories, { ...runs, seed: 1 })) {
      for (const { verdicts } of steps(history)) {
        for (const verdict of verdicts) {
          const kind = verdict?.kind ?? 'committed';
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }
    }
    expect([...seen.keys()].sort()).toEqual(['committed', ...everyRefusal].sort());
    expect(seen.get('committed')).toBeGreaterThan(1_000);
  });

  test('tells of exactly the changes that lead from the state before to the state after', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const state = new State();
        const told = new Map<string, unknown>();
        for (const { transactions, model } of steps(history)) {
          const { changes } = applyNext(state, ...transactions);
          for (const { table, id, before, after } of changes) {
            expect(before).toEqual(told.get(`${table} ${id}`));
            if (after === undefined) told.delete(`${table} ${id}`);
            else told.set(`${table} ${id}`, after);
          }
          const all = Object.values(model.lists).flat();
          expect(told.size).toBe(all.length);
          expect(new Set(told.values())).toEqual(new Set(all));
        }
      }),
      runs,
    );
  });

  test('leaves a byte-identical snapshot after refused transactions', () => {
    let refused = 0;
    fc.assert(
      fc.property(histories, (history) => {
        const state = new State();
        const without = new State();
        for (const { transactions, verdicts } of steps(history)) {
          applyNext(state, ...transactions);
          applyNext(without, ...transactions.filter((_, at) => verdicts[at] === undefined));
          refused += verdicts.filter((verdict) => verdict !== undefined).length;
        }
        expect(imageOf(state).equals(imageOf(without))).toBe(true);
      }),
      runs,
    );
    expect(refused).toBeGreaterThan(500);
  });

  test('is the same on a replica that begins with a snapshot at any moment', () => {
    fc.assert(
      fc.property(
        histories,
        fc.nat(40),
        fc.integer({ min: 1, max: 5_000 }),
        (history, cut, size) => {
          const state = new State();
          let late: State | undefined;
          for (const { index, transactions } of steps(history)) {
            const entry = applyNext(state, ...transactions);
            if (late !== undefined) expect(applyNext(late, ...transactions)).toEqual(entry);
            if (index === 1 + (cut % (history.length + 1))) {
              late = restored(imageOf(state), size);
              expect(imageOf(late).equals(imageOf(state))).toBe(true);
            }
            if (late === undefined) continue;
            expect(readsOf(late.view)).toEqual(readsOf(state.view));
          }
          expect(imageOf(late ?? new State()).equals(imageOf(state))).toBe(true);
        },
      ),
      runs,
    );
  });

  test('is the same whether transactions come encoded or decoded', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const encoded = new State();
        const decoded = new State();
        for (const { index, time, transactions } of steps(history)) {
          const before = JSON.stringify(transactions);
          const entry = decoded.applyTransactions(index, time, transactions);
          expect(JSON.stringify(transactions)).toBe(before);
          expect(entry).toEqual(applyNext(encoded, ...transactions));
        }
        expect(imageOf(encoded).equals(imageOf(decoded))).toBe(true);
      }),
      runs,
    );
  });
});
