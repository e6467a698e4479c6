import { z } from 'zod';
import { list } from './place.ts';

const document = z.object({
  ID: z.string(),
  Name: z.string(),
  CreatedAt: z.iso.datetime({ offset: true }),
  Labels: z.record(z.string(), z.string()),
});

export const unused = z.object({
  Secrets: list(document),
  Configs: list(document),
});
