import { z } from 'zod';
import { count, list, logIndex } from './place.ts';

const standing = z.object({
  id: z.string(),
  name: z.string(),
  node: z.string().describe('Its hostname; empty while there is none.'),
  state: z.string(),
  desired: z.string(),
  message: z.string(),
  err: z.string(),
  waitsFor: z.string().describe('Why it has no node yet; empty when it has one.'),
});

const link = z.object({
  at: z.number().describe('Milliseconds since 1970, on the clock of the log.'),
  logIndex,
  text: z.string(),
});

const place = { nodeId: z.string(), hostname: z.string() };
const filter = z.object({ filter: z.string(), nodes: count });
const candidate = z.object({
  ...place,
  fails: z.string().describe('The first filter that the node fails; empty when it fits.'),
  lacks: z.string().describe('What it lacks, in words; empty when it fits.'),
  ofService: count,
  total: count,
  failures: count,
  score: z.number().optional().describe('By the policies of the service’s labels.'),
});

export const decision = z.object({
  revision: count,
  at: z.number(),
  logIndex,
  placed: list(z.object({ taskId: z.string(), ...place })),
  waiting: count,
  err: z.string(),
  filters: list(filter),
  candidates: list(candidate).describe('The best first; empty when that was not written down.'),
  nodes: count,
});

export const look = z.object({
  revision: count,
  filters: list(filter),
  candidates: list(candidate),
  nodes: count,
  fitting: count,
});

const records = {
  decisions: list(decision).describe('Newest first.'),
  now: look.nullable().describe('Every node as it is now for the current revision.'),
  schedulers: list(z.object({ id: z.string(), answered: z.boolean(), reason: z.string() })),
};

export const taskExplanation = z.object({
  logIndex,
  task: standing,
  chain: list(link).describe('What led to it, oldest first.'),
  ...records,
});

export const serviceExplanation = z.object({
  logIndex,
  service: z.object({
    id: z.string(),
    name: z.string(),
    revision: count,
    update: z
      .string()
      .describe('Empty when none was made; that the service is stopped, where it is.'),
    scaling: z.string().describe('Why it has as many tasks; empty when it is not scaled by load.'),
  }),
  tasks: list(standing),
  ...records,
});
