import { z } from 'zod';

/** A node as people and programs name it. */
export const nodeName = z.object({
  id: z.string(),
  hostname: z.string().describe('The id again where the hostname is not known.'),
});

/** A list that is only read. */
export function list<S extends z.ZodType>(item: S) {
  return z.array(item).readonly();
}

/** Docker’s spelling of a host, in answers about networks. */
export const host = z.object({ ID: z.string(), Hostname: z.string() });

export const logIndex = z.int().min(0).describe('A place in the log.');
export const count = z.int().min(0);
