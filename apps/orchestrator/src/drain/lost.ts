import type { Decision } from '@shoal/stage';
import type { Change, StateView } from '@shoal/state';
import type { Moves } from '../plan.ts';

/** Changes of one transaction that moves the tasks of a lost node; a node with more takes several. */
export const changesPerMove = 2_000;

const keyPrefix = 'lost/';

/** The lost node of such a key; undefined for other keys. */
export function lostNodeOfKey(key: string): string | undefined {
  return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : undefined;
}

/** All moves away from a lost node in one transaction. */
export function* movesOf(view: StateView, moves: Moves): Iterable<Decision> {
  for (const [nodeId, groups] of moves) {
    const hostname = view.nodes.get(nodeId)?.description?.Hostname ?? nodeId;
    const reason = `node ${hostname} is lost`;
    let changes: Change[] = [];
    for (const group of groups) {
      if (changes.length + group.length > changesPerMove) {
        yield { kind: 'transaction', key: `${keyPrefix}${nodeId}`, reason, changes };
        changes = [];
      }
      changes.push(...group);
    }
    yield { kind: 'transaction', key: `${keyPrefix}${nodeId}`, reason, changes };
  }
}
