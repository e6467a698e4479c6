import { version } from '@shoal/runtime';
import { runStageProcess } from '@shoal/stage/host';
import { createAllocator } from './allocator.ts';
import { UsageMetric } from './usage-metric.ts';

let usage: UsageMetric | undefined;

await runStageProcess({
  name: 'allocator',
  version,
  stage: ({ replica }, { logger, metrics }) => {
    if (usage === undefined) {
      usage = new UsageMetric();
      usage.register(metrics);
    }
    usage.follow(replica.view);
    return createAllocator({
      onFilling: (filling) => logger.warn({ ...filling }, 'network_filling'),
    });
  },
});
