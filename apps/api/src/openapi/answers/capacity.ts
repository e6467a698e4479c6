import { z } from 'zod';
import { count, list, logIndex, nodeName } from './place.ts';

const amount = z.object({
  has: count,
  reserved: count.describe(
    'By tasks that have their place there; more than it has after it shrank.',
  ),
});

export const totalCapacity = z
  .object({ nodes: count, tasks: count, nanoCpus: amount, memoryBytes: amount })
  .describe('Of nodes that take tasks: those that are ready and active.');

/** What there is, and what of it is reserved. */
export const capacity = z.object({
  logIndex,
  total: totalCapacity,
  nodes: list(
    z.object({
      node: nodeName,
      state: z.enum(['ready', 'down', 'disconnected', 'unknown']),
      availability: z.enum(['active', 'pause', 'drain']),
      tasks: count.describe('Tasks that have their place there.'),
      nanoCpus: amount,
      memoryBytes: amount,
      generic: list(amount.extend({ kind: z.string() })).describe('Generic resources by kind.'),
    }),
  ),
});

/** Where tasks are, in as few words as say it: whole tasks take a kilobyte each. */
export const places = z.object({
  logIndex,
  tasks: list(
    z.object({
      id: z.string(),
      service: z.string().describe('Its id.'),
      slot: count.describe('0 for tasks of global services.'),
      node: z.string().describe('Its id; empty while the task has no node.'),
      state: z.string(),
      err: z.string().optional(),
    }),
  ).describe('Those that are to run, and have not ended.'),
});
