import { z } from 'zod';
import { logIndex } from './place.ts';

export const dashboardKey = z.object({
  Address: z.string().describe('Where the dashboard of this host listens.'),
  Key: z.string().describe('Opens it once, in one browser.'),
  HoldsSeconds: z.number().describe('How long it does so.'),
});

export const changes = z.object({ logIndex });

/** Queries are texts; the route says what is wrong with one. */
export const changesQuery = z.object({
  after: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional()
    .describe('A position in the log; without it the answer comes at once.'),
});
