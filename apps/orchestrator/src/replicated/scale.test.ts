import type { Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';

interface Placed {
  readonly slot: number;
  readonly node: string;
  readonly state?: Task['status']['state'];
}

/** A service with one task for each row, then scaled to `replicas`; which slots stay? */
function slotsLeft(rows: readonly Placed[], replicas: number): number[] {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(4);
  swarm.create('web', { replicas: rows.length });
  swarm.settle();
  for (const { slot, node, state = 'running' } of rows) {
    const task = swarm.tasks('web').find((candidate) => candidate.slot === slot);
    if (task === undefined) throw new Error(`no task in slot ${slot}`);
    const status = { ...task.status, state: node === '' ? ('pending' as const) : state };
    swarm.write([{ op: 'update', table: 'task', object: { ...task, nodeId: node, status } }]);
  }
  swarm.settle();
  swarm.scale('web', replicas);
  swarm.settle();
  expect(swarm.refusals).toEqual([]);
  return swarm
    .live('web')
    .map(({ slot }) => slot)
    .sort((a, b) => a - b);
}

describe('scaling down', () => {
  const rows: Placed[] = [
    { slot: 1, node: 'node1' },
    { slot: 2, node: 'node2' },
    { slot: 3, node: 'node3' },
    { slot: 4, node: 'node1' },
    { slot: 5, node: 'node1' },
    { slot: 6, node: '' },
    { slot: 7, node: 'node2' },
  ];

  it.each([
    { to: 6, left: [1, 2, 3, 4, 5, 7], rule: 'drops the one without a node first' },
    { to: 5, left: [1, 2, 3, 4, 7], rule: 'then takes from the most crowded node' },
    { to: 4, left: [1, 2, 3, 4], rule: 'then the higher slot' },
    { to: 3, left: [1, 2, 3], rule: 'keeps one on each node' },
    { to: 0, left: [], rule: 'takes all' },
  ])('to $to $rule', ({ to, left }) => {
    expect(slotsLeft(rows, to)).toEqual(left);
  });

  it('keeps running tasks before those that do not run on the same node', () => {
    const starting: Placed[] = [
      { slot: 1, node: 'node1', state: 'preparing' },
      { slot: 2, node: 'node1' },
      { slot: 3, node: 'node2', state: 'preparing' },
      { slot: 4, node: 'node2' },
    ];
    expect(slotsLeft(starting, 2)).toEqual([2, 4]);
  });

  it('leaves nothing of the slots behind, and reuses their numbers', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    swarm.create('web', { replicas: 5 });
    swarm.runUntil('running', () => swarm.running('web').length === 5);
    swarm.scale('web', 2);
    swarm.runUntil('scaled down', () => swarm.tasks('web').length === 2);
    swarm.scale('web', 4);
    swarm.runUntil('scaled up', () => swarm.running('web').length === 4);
    expect(
      swarm
        .running('web')
        .map(({ slot }) => slot)
        .sort(),
    ).toEqual([1, 2, 3, 4]);
    expect(swarm.service('web').updateStatus).toBeUndefined();
    expect(swarm.refusals).toEqual([]);
  });
});
