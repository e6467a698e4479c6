import { z } from 'zod';

const nanosPerSecond = 1_000_000_000;

/** What a container has used since it started; what the engine does not say is absent. */
export interface ContainerUsage {
  readonly cpuSeconds?: number | undefined;
  /** Without the file cache that the kernel gives back first, as `docker stats` counts it. */
  readonly memoryBytes?: number | undefined;
  readonly memoryLimitBytes?: number | undefined;
  readonly receivedBytes?: number | undefined;
  readonly sentBytes?: number | undefined;
}

/** What is read of `GET /containers/{id}/stats`; a container that has just ended has hardly anything. */
export const containerStats = z.object({
  /** When it was measured. */
  read: z.string().default(''),
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

/** A container without a limit has its host's memory for one, which tells nothing of it. */
export function containerUsage(
  { cpu_stats, memory_stats, networks }: z.output<typeof containerStats>,
  hostMemoryBytes: number,
): ContainerUsage {
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
