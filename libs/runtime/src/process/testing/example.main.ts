import { z } from 'zod';
import { runProcess } from '../run.ts';

/** A process as small as can be; the flags choose how it ends. */
await runProcess({
  name: 'example',
  version: '1.2.3',
  schema: z.object({
    trouble: z.enum(['none', 'throw', 'reject', 'start', 'hang']).default('none'),
  }),
  start({ config, clock, fail, logger }) {
    if (config.trouble === 'start') throw new Error('cannot start');
    if (config.trouble === 'throw') {
      clock.after(10, () => {
        throw new Error('nobody catches this');
      });
    }
    if (config.trouble === 'reject') fail(new Error('background'));
    const life = setInterval(() => undefined, 1_000);
    return {
      async stop() {
        if (config.trouble === 'hang') await new Promise(() => undefined);
        clearInterval(life);
        logger.info({ secretless: true }, 'drained');
      },
      health: () => ({
        ready: false,
        healthy: true,
        role: 'standby',
        logIndex: 7,
        detail: 'waits',
      }),
    };
  },
});
