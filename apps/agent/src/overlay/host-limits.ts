import { readFile } from 'node:fs/promises';
import type { Logger } from '@shoal/runtime';
import type { Commands } from './commands.ts';

/** Room in the host's neighbour tables: the kernel's own would hold a thousand peers. */
const neighboursMax = [8_192, 49_152, 65_536];
const tables = ['net/ipv4/neigh/default/gc_thresh', 'net/ipv6/neigh/default/gc_thresh'];

/** What must be raised of limits that stand at `now`; keys as under `/proc/sys`. Only upwards. */
export async function raisedLimits(
  now: (key: string) => Promise<string | undefined>,
): Promise<readonly string[]> {
  const raised: string[] = [];
  for (const table of tables) {
    for (const [at, limit] of neighboursMax.entries()) {
      const key = `${table}${at + 1}`;
      const value = await now(key);
      // From the largest down: none is to be above the next, not even for a moment.
      if (value !== undefined && Number(value) < limit) raised.unshift(`${key}=${limit}`);
    }
  }
  return raised;
}

/** Others on this host may need more than we do, so nothing is lowered. */
export async function raiseHostLimits(commands: Commands, logger: Logger): Promise<void> {
  const keys = await raisedLimits((key) =>
    readFile(`/proc/sys/${key}`, 'utf8').catch(() => undefined),
  );
  if (keys.length === 0) return;
  const raised = await commands.sysctl(undefined, keys);
  if (raised.kind === 'failed') {
    logger.warn({ reason: raised.message }, 'neighbour_limits_not_raised');
  }
}
