import type { ProcessContext } from '@shoal/runtime/process';
import { z } from 'zod';
import { legRange } from './host/leg-plan.ts';

/** What the process is told. */
export const schema = z.object({
  backend: z
    .enum(['auto', 'ipvs', 'nftables'])
    .default('auto')
    .describe('what balances: auto takes ipvs where the kernel has it'),
  legRange: legRange(4)
    .default('169.254.83.0/30')
    .describe('four addresses of the link from the host into the ingress network'),
  legRange6: legRange(6).default('fd53:686f:616c::/126').describe('the same for IPv6'),
  auditSeconds: z
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(30)
    .describe('pause between comparisons with the kernel'),
});

export type Context = ProcessContext<z.output<typeof schema>>;
