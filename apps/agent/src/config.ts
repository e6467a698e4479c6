import type { ProcessContext } from '@shoal/runtime/process';
import { z } from 'zod';
import { pluginSocketDefault } from './overlay/driver.ts';
import { encryptionPortDefault } from './overlay/encryption/ability.ts';

/** Megabytes a second. */
const imageShareRateDefault = 100;

/** What the process is told. */
export const schema = z.object({
  engine: z
    .string()
    .regex(/^(unix:\/\/\/.+|tcp:\/\/[^/]+:\d+)$/, 'must look like unix:///var/run/docker.sock')
    .default('unix:///var/run/docker.sock')
    .describe('the Docker Engine'),
  driverSocket: z
    .string()
    .default(pluginSocketDefault)
    .describe('where the engine looks for its network driver'),
  encryptionPort: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(encryptionPortDefault)
    .describe('UDP port that packets of encrypted networks come to'),
  imageShareRate: z
    .number()
    .min(0)
    .default(imageShareRateDefault)
    .describe('images given to other hosts, MB/s all together; 0: none are given'),
});

export type Context = ProcessContext<z.output<typeof schema>>;
