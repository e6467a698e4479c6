import type { RestartPolicy } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, second } from '../testing/objects.ts';

const onceAnHour: RestartPolicy = {
  Condition: 'on-failure',
  MaxAttempts: 1,
  Delay: 3_600 * second * nanoseconds,
};

describe.each(['replicated', 'global'] as const)('a task of a %s service', (mode) => {
  it('that a person tells to stop is replaced at once, as often as it is asked for', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(3);
    const parts = mode === 'global' ? { global: true } : { replicas: 3 };
    swarm.create('web', parts);
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, RestartPolicy: onceAnHour },
    }));
    const three = (): void =>
      swarm.runUntil('three', () => swarm.running('web').length === 3, 30 * second);
    three();
    for (let turn = 0; turn < 3; turn += 1) {
      const [task, ...others] = swarm.running('web');
      if (task === undefined) throw new Error('no task');
      swarm.write([{ op: 'update', table: 'task', object: { ...task, desired: 'shutdown' } }]);
      swarm.settle();
      three();
      const now = swarm.running('web');
      expect(now.map(({ id }) => id)).toEqual(expect.arrayContaining(others.map(({ id }) => id)));
      expect(now.find(({ id }) => !others.some((one) => one.id === id))).toMatchObject({
        slot: task.slot,
        ...(mode === 'global' ? { nodeId: task.nodeId } : {}),
      });
    }
    expect(swarm.refusals).toEqual([]);
  });
});
