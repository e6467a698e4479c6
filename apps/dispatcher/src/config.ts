import { hostPort, type ProcessContext } from '@shoal/runtime/process';
import { z } from 'zod';

/** What the process is told. */
export const schema = z.object({
  listen: hostPort.optional().describe('sessions of agents; port of the identity, all addresses'),
  advertise: hostPort.optional().describe('where agents reach this replica'),
  instance: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,63}$/)
    .default('0')
    .describe('tells replicas of the stage on one host apart'),
});

export type Context = ProcessContext<z.output<typeof schema>>;
