import { describe, expect, it } from 'vitest';
import { createOrchestrator } from './orchestrator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import { second } from './testing/objects.ts';

function setStopped(swarm: FakeSwarm, text: string): void {
  swarm.update('web', (spec) => ({ ...spec, Labels: { 'shoal.stopped': text } }));
}

describe.each(['replicated', 'global'] as const)('a %s service that is stopped', (mode) => {
  function begin(): FakeSwarm {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(3);
    swarm.create('web', mode === 'global' ? { global: true } : { replicas: 3 });
    swarm.runUntil('three', () => swarm.running('web').length === 3);
    setStopped(swarm, 'true');
    swarm.runUntil('none', () => swarm.live('web').length === 0);
    return swarm;
  }

  it('has no tasks, also when nodes join or its image changes, until it is started', () => {
    const swarm = begin();
    swarm.addNodes(1);
    swarm.setImage('web', 'busybox:2');
    swarm.run(60 * second);
    expect(swarm.live('web')).toEqual([]);
    setStopped(swarm, 'false');
    const wanted = mode === 'global' ? 4 : 3;
    swarm.runUntil('all', () => swarm.running('web').length === wanted);
    expect(swarm.refusals).toEqual([]);
  });
});
