import type { Instant, LogIndex, Term } from '@shoal/runtime';
import { type Change, encodePayload, encodeTransaction, type Node } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { watchDemotions } from './demotions.ts';
import { createNode, transaction } from './testing/proposer.ts';
import { VoterMachine } from './voter-machine.ts';

const nodes = ['stays', 'demoted', 'worker', 'own'] as const;
type Name = (typeof nodes)[number];

/** A voter's state with what it says of demotions. */
class Watched {
  readonly machine = new VoterMachine();
  readonly told: (readonly Name[])[] = [];
  #index = 0;

  constructor() {
    watchDemotions(
      this.machine,
      (id) => id !== 'own',
      (isDemoted) => this.told.push(nodes.filter(isDemoted)),
    );
    this.write(nodes.map((id) => createNode(id, { role: id === 'worker' ? 'worker' : 'manager' })));
  }

  write(changes: readonly Change[]): void {
    this.#index += 1;
    this.machine.apply({
      index: this.#index as LogIndex,
      term: 1 as Term,
      kind: 'normal',
      data: encodePayload(this.#index as Instant, [encodeTransaction(transaction(changes))]),
    });
  }

  demote(id: Name): void {
    const node = this.machine.view.nodes.get(id) as Node;
    const spec = { ...node.spec, Role: 'worker' } as const;
    this.write([{ op: 'update', table: 'node', object: { ...node, spec, role: 'worker' } }]);
  }

  /** As from a leader that is ahead. */
  async restoreFrom(other: VoterMachine): Promise<void> {
    const { chunks } = other.snapshot();
    async function* sent(): AsyncGenerator<Uint8Array> {
      yield* chunks;
    }
    await this.machine.restore(sent());
  }
}

describe.each([
  [
    'an entry',
    async (watched: Watched, names: readonly Name[]) =>
      names.forEach((id) => void watched.demote(id)),
  ],
  [
    'a snapshot',
    async (watched: Watched, names: readonly Name[]) => {
      const ahead = new Watched();
      for (const id of names) ahead.demote(id);
      await watched.restoreFrom(ahead.machine);
    },
  ],
])('what %s says', (_what, learn) => {
  test('of a manager that is one no more is told, once', async () => {
    const watched = new Watched();
    await learn(watched, ['demoted']);
    expect(watched.machine.view.nodes.get('demoted')?.role).toBe('worker');
    expect(watched.told).toEqual([['demoted']]);
  });

  test('of the own node is not, nor what was so before', async () => {
    const watched = new Watched();
    await learn(watched, ['own']);
    await learn(watched, []);
    expect(watched.told).toEqual([]);
  });
});
