import type { ServiceSpec, TaskTemplate, UpdateConfig } from '@shoal/state';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from './fake-swarm.ts';
import type { SpecParts } from './objects.ts';

/** An image that fails at start. */
export const bad = 'busybox:bad';

export function running(config: Partial<UpdateConfig> = {}, parts: SpecParts = {}): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(3);
  const UpdateConfig = { Parallelism: 1, ...config };
  const replicas = parts.replicas ?? 4;
  swarm.create('web', { ...parts, replicas, spec: { UpdateConfig, ...parts.spec } });
  swarm.runUntil('running', () => swarm.running('web').length === replicas);
  swarm.fate = ({ revision, serviceId }) => {
    const image = swarm.view.revisions.of(serviceId, revision)?.spec.TaskTemplate.ContainerSpec
      .Image;
    return image === bad ? 'fails at start' : 'runs';
  };
  return swarm;
}

export function template(spec: ServiceSpec, change: Partial<TaskTemplate>): ServiceSpec {
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, ...change } };
}

export function state(swarm: FakeSwarm) {
  return swarm.service('web').updateStatus?.state;
}

export function updated(swarm: FakeSwarm) {
  return swarm.running('web').filter((task) => task.revision === swarm.service('web').revision);
}
