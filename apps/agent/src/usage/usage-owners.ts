import { z } from 'zod';
import { swarmLabels } from '../executor/container-config.ts';

const stackLabel = 'com.docker.stack.namespace';

/** Whose container it is, in words that a replacement of it has in common with it. */
export interface UsageOwner {
  readonly containerId: string;
  readonly service: string;
  /** Empty outside of stacks. */
  readonly stack: string;
  /** `web.1`; of a global service the node's id stands for the slot. */
  readonly task: string;
}

/** What is read of `GET /containers/json`. */
export const ownersAnswer = z.array(
  z.object({ Id: z.string(), Created: z.number(), Labels: z.record(z.string(), z.string()) }),
);

/** One for each slot: while a task takes over from another, the newer one. */
export function readOwners(answer: z.output<typeof ownersAnswer>): readonly UsageOwner[] {
  const owners = new Map<string, UsageOwner>();
  for (const { Id, Labels } of [...answer].sort((a, b) => a.Created - b.Created)) {
    const id = Labels[swarmLabels.taskId];
    const name = Labels[swarmLabels.taskName];
    const service = Labels[swarmLabels.serviceName];
    if (id === undefined || name === undefined || service === undefined) continue;
    const task = name.endsWith(`.${id}`) ? name.slice(0, -id.length - 1) : name;
    owners.set(task, { containerId: Id, service, stack: Labels[stackLabel] ?? '', task });
  }
  return [...owners.values()];
}
