import { z } from 'zod';
import { swarmLabels } from '../executor/container-config.ts';

const nanosPerSecond = 1_000_000_000;
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

/** What a container has used since it started; what the engine does not say is absent. */
export interface Usage {
  readonly cpuSeconds?: number | undefined;
  /** Without the file cache that the kernel gives back first, as `docker stats` counts it. */
  readonly memoryBytes?: number | undefined;
  readonly memoryLimitBytes?: number | undefined;
  readonly receivedBytes?: number | undefined;
  readonly sentBytes?: number | undefined;
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

/** What is read of `GET /containers/{id}/stats`; a container that has just ended has hardly anything. */
export const statsAnswer = z.object({
  cpu_stats: z.object({ cpu_usage: z.object({ total_usage: z.number() }) }).nullish(),
  memory_stats: z
    .object({
      usage: z.number().nullish(),
      limit: z.number().nullish(),
      stats: z.record(z.string(), z.number()).nullish(),
    })
    .nullish(),
  networks: z
    .record(z.string(), z.object({ rx_bytes: z.number(), tx_bytes: z.number() }))
    .nullish(),
});

/** A container without a limit has the host's memory for one, which is said elsewhere. */
export function readStats(
  { cpu_stats, memory_stats, networks }: z.output<typeof statsAnswer>,
  hostMemoryBytes: number,
): Usage {
  const total = cpu_stats?.cpu_usage.total_usage ?? 0;
  const { usage, limit, stats } = memory_stats ?? {};
  // Of the first and of the second version of control groups.
  const cache = stats?.['total_inactive_file'] ?? stats?.['inactive_file'] ?? 0;
  const links = networks == null ? undefined : Object.values(networks);
  const sum = (of: 'rx_bytes' | 'tx_bytes'): number | undefined =>
    links?.reduce((all, link) => all + link[of], 0);
  return {
    cpuSeconds: total === 0 ? undefined : total / nanosPerSecond,
    memoryBytes: usage == null ? undefined : cache < usage ? usage - cache : usage,
    memoryLimitBytes: limit != null && limit > 0 && limit < hostMemoryBytes ? limit : undefined,
    receivedBytes: sum('rx_bytes'),
    sentBytes: sum('tx_bytes'),
  };
}
