import { z } from 'zod';
import { count, list } from './place.ts';

export const revisions = z.object({
  ID: z.string(),
  Name: z.string(),
  Revisions: list(
    z.object({
      Number: count,
      CreatedAt: z.iso.datetime({ offset: true }),
      Current: z.boolean(),
      Previous: z.boolean(),
      RunningTasks: count,
      Spec: z.looseObject({ Name: z.string() }).describe('As Docker’s API shows it.'),
    }),
  ).describe('Newest first.'),
});

export const rollback = z.object({
  ID: z.string(),
  From: count.describe('The revision that was current.'),
  To: count,
});

export const restart = z.object({ ID: z.string().describe('The task that stops.') });

export const rollbackQuery = z.object({
  to: z
    .string()
    .regex(/^([1-9]\d*)?$/)
    .optional()
    .describe('The number of a kept revision; the previous one if none is named.'),
});

export const settings = z.object({
  settings: list(
    z.object({
      name: z.string(),
      fallback: z.string().describe('What holds when nothing is set.'),
      about: z.string(),
      value: z.string().nullable(),
    }),
  ),
});

/** Names and values; null takes one back. */
export const settingsChange = z.record(z.string().max(128), z.string().max(1_024).nullable());
