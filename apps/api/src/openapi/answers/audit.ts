import { z } from 'zod';
import { count, list } from './place.ts';

/** A record in an answer is a few hundred bytes. */
export const recordsMax = 10_000;
export const recordsDefault = 100;

const value = z.union([z.string(), z.number(), z.boolean()]).optional();

export const auditQuery = z.object({
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('Only what was committed then or later.'),
  until: z.iso.datetime({ offset: true }).optional().describe('Only what was committed before.'),
  name: z
    .string()
    .optional()
    .describe('Only changes of what has this name, this id, or an id that begins so.'),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,4}$/)
    .optional()
    .describe(
      `At most so many records, up to ${recordsMax}; ${recordsDefault} if nothing is said.`,
    ),
});

export const audit = z.object({
  Records: list(
    z.object({
      Index: count,
      Time: z.iso.datetime({ offset: true }),
      Actor: z.object({
        Kind: z.enum(['user', 'stage', 'agent', 'system']),
        Name: z.string().describe('The command, the stage, or the node’s id.'),
        Client: z.string().optional().describe('How the manager knows who asked it.'),
        Node: z
          .object({ ID: z.string(), Hostname: z.string() })
          .optional()
          .describe('The manager that was asked.'),
      }),
      Reason: z.string(),
      Changes: list(
        z.object({
          Op: z.enum(['create', 'update', 'delete']),
          Kind: z.enum(['cluster', 'node', 'service', 'network', 'secret', 'config']),
          ID: z.string(),
          Name: z.string(),
          Fields: list(z.object({ Path: z.string(), From: value, To: value })).describe(
            'What an update changed; values only where they cannot be secret.',
          ),
        }),
      ),
      LeftOut: count.describe('Changes and fields beyond those listed.'),
    }),
  ).describe('Newest first.'),
  Gaps: list(z.object({ After: count, Through: count })).describe(
    'Entries of the log among them that never passed this manager one by one: it joined later, or was away.',
  ),
});

export const auditVerdict = z.discriminatedUnion('Kind', [
  z.object({
    Kind: z.literal('whole'),
    Records: count,
    After: count.describe('The oldest file begins behind this entry.'),
    Through: count,
    Chain: z.string().describe('Of the newest line; it stands for all lines before.'),
    Aside: list(z.string()).describe(
      'Files of what a start of this manager found behind or beside the chain, and cut off.',
    ),
  }),
  z.object({
    Kind: z.literal('damaged'),
    File: z.string(),
    Line: count,
    Message: z.string(),
  }),
]);
