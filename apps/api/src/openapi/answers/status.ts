import { z } from 'zod';
import { totalCapacity } from './capacity.ts';
import { count, list, logIndex, nodeName } from './place.ts';

const manager = z.object({
  node: nodeName,
  addr: z.string(),
  leader: z.boolean(),
  reachability: z.enum(['reachable', 'unreachable', 'unknown']),
});

const stage = z.object({
  stage: z.enum(['orchestrator', 'allocator', 'scheduler', 'dispatcher']),
  alive: z.boolean().describe('Whether one replica at least holds a lease.'),
  replicas: list(z.object({ lease: z.string(), node: nodeName })),
});

const unconverged = z.object({
  id: z.string(),
  name: z.string(),
  mode: z.enum(['replicated', 'global', 'replicated-job', 'global-job']),
  running: count,
  desired: count,
  reason: z.string(),
});

const scaled = z.object({
  id: z.string(),
  name: z.string(),
  replicas: count.describe('Tasks that its load asks for.'),
  min: count,
  max: count,
  advises: z
    .boolean()
    .describe('Its load is only told of: there are as many tasks as somebody asked for.'),
  text: z.string().describe('Why so many, and what comes next.'),
});

const network = z.object({
  id: z.string(),
  name: z.string(),
  subnets: list(z.string()).describe('Empty while none is allocated.'),
  addresses: z.object({ ipv4: count, ipv6: count }).describe('Addresses that somebody has.'),
  problem: z.string().describe('Why nothing is allocated; empty when there is no problem.'),
});

/** How the whole cluster stands. */
export const status = z.object({
  logIndex,
  managers: z.object({
    total: count,
    reachable: count,
    needed: count.describe('Managers that must be reachable for a quorum.'),
    quorum: z.boolean(),
    list: list(manager),
  }),
  stages: list(stage),
  nodes: z.object({
    total: count,
    byState: z.object({ ready: count, down: count, disconnected: count, unknown: count }),
    byAvailability: z.object({ active: count, pause: count, drain: count }),
  }),
  capacity: totalCapacity,
  tasks: z.object({
    total: count,
    byState: z.record(z.string(), count).describe('States that no task is in are left out.'),
  }),
  services: z.object({
    total: count,
    converged: count,
    unconverged: list(unconverged).describe('The oldest first, cut at 100.'),
    scaled: list(scaled).describe('Those that are scaled by load: the oldest first, cut at 1 000.'),
  }),
  networks: z.object({
    total: count,
    allocated: count,
    list: list(network).describe('The oldest first, cut at 1 000.'),
  }),
});
