import { expect, test } from 'vitest';
import { raisedLimits } from './host-limits.ts';

test('limits are raised, never lowered, the largest first; what a kernel lacks is left out', async () => {
  const now: Record<string, string> = {
    'net/ipv4/neigh/default/gc_thresh1': '128\n',
    'net/ipv4/neigh/default/gc_thresh2': '512\n',
    'net/ipv4/neigh/default/gc_thresh3': '100000\n',
    'net/ipv6/neigh/default/gc_thresh3': '1024\n',
  };
  expect(await raisedLimits(async (key) => now[key])).toEqual([
    'net/ipv6/neigh/default/gc_thresh3=65536',
    'net/ipv4/neigh/default/gc_thresh2=49152',
    'net/ipv4/neigh/default/gc_thresh1=8192',
  ]);
});
