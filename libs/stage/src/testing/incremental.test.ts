import type { StateView } from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChangeSet, Decision, Stage } from '../stage.ts';
import { expectIncrementalEqualsWhole } from './incremental.ts';
import { nodeChange } from './objects.ts';

/** Names every node `named`, one that is new right away, with the caches that a real stage would have. */
function naming(look: (view: StateView, changed: ChangeSet) => Iterable<string>): () => Stage {
  return () => ({
    name: 'orchestrator',
    *step(view, changed): Iterable<Decision> {
      for (const id of look(view, changed)) {
        const node = view.nodes.get(id);
        if (node === undefined || node.spec.Name === 'named') continue;
        const changes = [nodeChange(view, id, 'named')];
        yield { kind: 'transaction', key: id, reason: 'nodes are named', changes };
      }
    },
  });
}

const all = (view: StateView): string[] => Array.from(view.nodes.values(), (node) => node.id);
const changedOnes = (view: StateView, changed: ChangeSet): string[] =>
  changed.everything ? all(view) : changed.changes.map((change) => change.id);
const newOnes = (view: StateView, changed: ChangeSet): string[] =>
  changed.everything
    ? all(view)
    : changed.changes.filter((change) => change.before === undefined).map((change) => change.id);

const moves = fc.array(
  fc.record({ id: fc.constantFrom('a', 'b', 'c'), name: fc.constantFrom('x', 'y') }),
  { minLength: 1, maxLength: 12 },
);

describe('expectIncrementalEqualsWhole', () => {
  test('holds for a stage that looks at what changed', () => {
    fc.assert(
      fc.property(moves, (writes) =>
        expectIncrementalEqualsWhole({
          stage: naming(changedOnes),
          moves: writes.map(({ id, name }) => (view) => [nodeChange(view, id, name)]),
          project: (view) => all(view).map((id) => view.nodes.get(id)?.spec.Name),
        }),
      ),
    );
  });

  test('catches a stage that misses a kind of change', () => {
    const rename = (view: StateView) => [nodeChange(view, 'a', 'x')];
    expect(() =>
      expectIncrementalEqualsWhole({ stage: naming(newOnes), moves: [rename, rename] }),
    ).toThrow('after move 1 a look at everything still wants "nodes are named"');
  });

  test('catches a missed wake, and a stage that never rests', () => {
    const at = 1_700_000_005_000 as never;
    const waking = (): Stage => ({
      name: 'orchestrator',
      *step(_view, changed): Iterable<Decision> {
        for (const { before } of changed.changes)
          if (before !== undefined) yield { kind: 'wake', key: 'k', at };
        if (changed.everything) yield { kind: 'wake', key: 'k', at };
      },
    });
    const write = (view: StateView) => [nodeChange(view, 'a', 'x')];
    expect(() =>
      expectIncrementalEqualsWhole({ stage: waking, moves: [write], moveMs: 10_000 }),
    ).not.toThrow();
    expect(() =>
      expectIncrementalEqualsWhole({ stage: waking, moves: [write, () => []], moveMs: 10_000 }),
    ).toThrow('the wake of k');
    let count = 0;
    const restless = naming((view) => all(view));
    expect(() =>
      expectIncrementalEqualsWhole({
        stage: () => ({
          name: 'orchestrator',
          *step(view, changed) {
            yield* restless().step(view, changed, at, () => true);
            const changes = [nodeChange(view, 'b', `${count++}`)];
            yield { kind: 'transaction', key: 'b', reason: 'again', changes };
          },
        }),
        moves: [write],
      }),
    ).toThrow('not at rest');
  });
});
