import type { Decision } from '@shoal/stage';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { second } from '../testing/objects.ts';
import { changesPerMove } from './lost.ts';

/** All tasks of so many services on node1, and an empty node2. */
function crowded(services: number, replicas = 1): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(1);
  for (let at = 1; at <= services; at += 1) swarm.create(`web${at}`, { replicas });
  swarm.runUntil('running', () => running(swarm, 'node1') === services * replicas);
  swarm.addNodes(1);
  swarm.settle();
  return swarm;
}

function running(swarm: FakeSwarm, nodeId: string): number {
  return [...swarm.view.tasks.byNode(nodeId)].filter(({ status }) => status.state === 'running')
    .length;
}

/** What a look at everything wants now. */
function wanted(swarm: FakeSwarm, due: readonly string[] = []): Decision[] {
  const changed = { everything: due.length === 0, changes: [], due: new Set(due) };
  return [...createOrchestrator().step(swarm.view, changed, swarm.now, () => true)].filter(
    ({ kind }) => kind === 'transaction',
  );
}

describe('a lost node', () => {
  it('has the tasks of all its services moved in one transaction', () => {
    const swarm = crowded(50);
    swarm.setNodeState('node1', 'down');
    const decisions = wanted(swarm);
    expect(decisions).toMatchObject([{ key: 'lost/node1', reason: 'node node1 is lost' }]);
    const before = swarm.view.index;
    swarm.settle();
    expect(swarm.reasons.slice(-1)).toEqual(['node node1 is lost']);
    expect(swarm.view.index).toBe(before + 1);
    swarm.runUntil('elsewhere', () => running(swarm, 'node2') === 50);
    expect(swarm.refusals).toEqual([]);
  });

  it('is moved service by service when the whole was refused', () => {
    const swarm = crowded(3);
    swarm.setNodeState('node1', 'down');
    const keys = wanted(swarm, ['lost/node1']).map(({ key }) => key);
    expect(keys).toEqual(['web1', 'web2', 'web3']);
  });

  it('takes several transactions when one would be too large', () => {
    const swarm = crowded(1, changesPerMove / 2 + 1);
    swarm.setNodeState('node1', 'down');
    const sizes = wanted(swarm).map((it) => (it.kind === 'transaction' ? it.changes.length : 0));
    expect(sizes).toEqual([changesPerMove, 2]);
  });

  it('loses what moved away as soon as it is back', () => {
    const swarm = crowded(3);
    swarm.setNodeState('node1', 'down');
    swarm.runUntil('elsewhere', () => running(swarm, 'node2') === 3);
    expect(running(swarm, 'node1')).toBe(3);
    swarm.setNodeState('node1', 'ready');
    swarm.run(100);
    expect(running(swarm, 'node1')).toBe(0);
  });

  it('that is back before the replacements start still gives up what was called off', () => {
    const swarm = crowded(1);
    swarm.setNodeState('node1', 'down');
    swarm.run(second);
    swarm.setNodeState('node1', 'ready');
    swarm.runUntil('one again', () => swarm.running('web1').length === 1, 20 * second);
    expect(swarm.tasks('web1').filter(({ status }) => status.state === 'running')).toHaveLength(1);
  });

  it('that is removed leaves no task behind that seems to run', () => {
    const swarm = crowded(2);
    swarm.setNodeState('node1', 'down');
    swarm.settle();
    const node = swarm.view.nodes.get('node1');
    // As the api does it: the final state of its tasks and the end of the node are one transaction.
    swarm.write([
      ...[...swarm.view.tasks.byNode('node1')].map((task) => ({
        op: 'update' as const,
        table: 'task' as const,
        object: { ...task, status: { ...task.status, state: 'orphaned' as const, at: swarm.now } },
      })),
      { op: 'delete', table: 'node', id: 'node1', version: node?.meta.version ?? swarm.view.index },
    ]);
    swarm.settle();
    expect(running(swarm, 'node1')).toBe(0);
    swarm.runUntil('elsewhere', () => running(swarm, 'node2') === 2);
  });

  it('that is removed while its tasks ran has them replaced', () => {
    const swarm = crowded(1);
    const node = swarm.view.nodes.get('node1');
    const [task] = swarm.running('web1');
    if (task === undefined || node === undefined) throw new Error('nothing runs');
    const status = { ...task.status, state: 'orphaned', at: swarm.now } as const;
    swarm.write([
      { op: 'update', table: 'task', object: { ...task, status } },
      { op: 'delete', table: 'node', id: 'node1', version: node.meta.version },
    ]);
    swarm.runUntil('elsewhere', () => running(swarm, 'node2') === 1);
    expect(swarm.running('web1')[0]?.restart).toMatchObject({ failures: 0, moved: true });
  });
});
