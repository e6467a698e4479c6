import { z } from 'zod';
import { count, host, list } from './place.ts';

const verdict = z.enum(['ok', 'differs', 'unknown']);
const gaps = list(z.string()).describe('Who could not be asked, a sentence each.');

export const drift = z.object({
  Hosts: list(
    z.object({
      Network: z.object({ ID: z.string(), Name: z.string() }),
      Host: host,
      Names: verdict,
      Balancer: verdict,
      Peers: verdict,
      DiffersMs: z.number().describe('For how long, milliseconds; 0 when it does not.'),
      Repairs: count,
      Problems: list(z.string()),
    }),
  ),
  Gaps: gaps,
});

export const reachability = z.object({
  Pairs: list(
    z.object({
      From: host,
      To: host,
      Path: z.string(),
      OK: z.boolean(),
      Cause: z.string(),
    }),
  ),
  Gaps: gaps,
});
