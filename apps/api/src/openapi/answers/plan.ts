import { z } from 'zod';
import { count, list, logIndex, nodeName } from './place.ts';

const name = z.string().min(1).max(256).describe('An id, a name, or the start of an id.');
const replicasMax = 1_000_000;

/** What is supposed to happen. */
export const hypothesis = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('drain'), node: name }),
  z.strictObject({ kind: z.literal('lose'), node: name }),
  z.strictObject({
    kind: z.literal('scale'),
    service: name,
    replicas: z.int().min(0).max(replicasMax),
  }),
  z.strictObject({ kind: z.literal('rebalance') }),
]);

const task = { task: z.string().describe('As `docker service ps` names it.'), service: z.string() };
const unplaced = z.object({
  ...task,
  from: nodeName.optional().describe('Where it ran before; absent for a task that would be new.'),
  reason: z.string().describe('The scheduler’s own sentence.'),
});

export const plan = z.object({
  hypothesis,
  index: logIndex.describe('The log index of the state that the plan was made on.'),
  complete: z.boolean().describe('False when the plan was cut off before all was quiet.'),
  takesMs: z.number().describe('With agents that need no time at all, milliseconds.'),
  moves: list(z.object({ ...task, from: nodeName, to: nodeName })),
  starts: list(z.object({ ...task, on: nodeName })),
  stops: list(z.object({ ...task, on: nodeName, reason: z.string() })),
  wontFit: list(unplaced),
  counts: z
    .object({ moves: count, starts: count, stops: count, wontFit: count })
    .describe('Always whole; the lists are cut.'),
});

const nodeLoss = z.object({
  node: nodeName,
  moves: count.describe('Tasks that start again elsewhere.'),
  wontFit: list(unplaced),
  wontFitCount: count,
  losesOnly: list(
    z.object({ service: z.string(), reason: z.enum(['only replica', 'local volume']) }),
  ),
  managers: z
    .object({ left: count, total: count, keepsQuorum: z.boolean() })
    .optional()
    .describe('Absent for workers.'),
});

export const survivability = z.object({
  index: logIndex,
  nodes: list(nodeLoss),
  computedAt: z.iso.datetime(),
  current: z.boolean().describe('False when the state has moved on since.'),
});
