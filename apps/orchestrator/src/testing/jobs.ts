import type { RestartPolicy, Task } from '@shoal/state';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from './fake-swarm.ts';
import type { SpecParts } from './objects.ts';

/** A replicated job for tests. */
export function aJob(
  MaxConcurrent: number,
  TotalCompletions: number,
  restart?: RestartPolicy,
): SpecParts {
  return {
    template: restart === undefined ? {} : { RestartPolicy: restart },
    spec: { Mode: { ReplicatedJob: { MaxConcurrent, TotalCompletions } } },
  };
}

/** Three nodes, and the service `job` where it is given. */
export function jobSwarm(parts?: SpecParts): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(3);
  if (parts !== undefined) swarm.create('job', parts);
  return swarm;
}

export function iterationOf(swarm: FakeSwarm): number | undefined {
  return swarm.service('job').jobStatus?.iteration;
}

/** Tasks of the run that is on, or was last. */
export function current(swarm: FakeSwarm): Task[] {
  const iteration = iterationOf(swarm);
  return swarm.tasks('job').filter(({ jobIteration }) => jobIteration === iteration);
}

/** How many tasks of the run are in which observed state. */
export function stateCounts(swarm: FakeSwarm): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of current(swarm)) counts[status.state] = (counts[status.state] ?? 0) + 1;
  return counts;
}
