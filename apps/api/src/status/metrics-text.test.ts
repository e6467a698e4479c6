import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { NetworkSite } from '../testing/fake-networks.ts';
import { clusterGauges, metricsText } from './metrics-text.ts';
import { type ClusterStatus, statusOf } from './status.ts';

const figures = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('shoal_'))
    .sort();

test('a scrape holds what the text does, from one look, and nothing without a status', async () => {
  const site = new NetworkSite();
  await site.start();
  await site.init();
  await site.serve('web', {});
  const registry = new Registry();
  let looks = 0;
  let status: ClusterStatus | undefined = statusOf(site.view, site.host.quorum);
  clusterGauges(registry, async () => {
    looks += 1;
    return status;
  });
  const told = figures(await registry.metrics());
  expect(told).toEqual(figures(metricsText(status)));
  expect(told).toContain('shoal_cluster_services 1');
  expect(looks).toBe(1);
  status = undefined;
  expect(figures(await registry.metrics())).toEqual([]);
  await site.close();
});
