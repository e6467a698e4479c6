import { Registry } from 'prom-client';
import { expect, test, vi } from 'vitest';
import { ClusterHarness } from './testing/cluster-harness.ts';
import { createNode, Proposer, transaction } from './testing/proposer.ts';
import { voterMetrics } from './voter-metrics.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

test('a voter shows what it does; without one there are no values', async () => {
  const cluster = await ClusterHarness.start(3);
  try {
    const leader = await cluster.leader();
    await new Proposer(cluster.client(leader)).propose(transaction([createNode('a')]));
    const registry = new Registry();
    let present = true;
    let asked = 0;
    voterMetrics(registry, async () => {
      asked += 1;
      return present ? leader.voter.status() : undefined;
    });
    const text = await registry.metrics();
    expect(asked).toBe(1);
    const value = (name: string): number =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(value('shoal_log_role\\{role="leader"\\}')).toBe(1);
    expect(value('shoal_log_voters')).toBe(3);
    expect(value('shoal_log_committed_index')).toBeGreaterThan(1);
    expect(value('shoal_log_elections_won_total')).toBe(1);
    expect(value('shoal_log_writes_total')).toBeGreaterThan(0);
    expect(value('shoal_log_write_seconds_bucket\\{le="\\+Inf"\\}')).toBeGreaterThan(0);
    const [peer] = await cluster.others();
    expect(value(`shoal_log_peer_connected\\{peer="${peer?.member.nodeId}"\\}`)).toBe(1);
    present = false;
    expect(await registry.metrics()).not.toMatch(/^shoal_log_/m);
  } finally {
    await cluster.close();
  }
});
