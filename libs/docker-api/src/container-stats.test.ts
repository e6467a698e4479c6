import { describe, expect, test } from 'vitest';
import { containerStats, containerUsage } from './container-stats.ts';

const mebi = 1 << 20;
const hostMemoryBytes = 4_096 * mebi;

/** As an engine on version 2 of control groups answers. */
const stats = {
  cpu_stats: { cpu_usage: { total_usage: 2_500_000_000 } },
  memory_stats: { usage: 100 * mebi, limit: 256 * mebi, stats: { inactive_file: 30 * mebi } },
  networks: { eth0: { rx_bytes: 10, tx_bytes: 1 }, eth1: { rx_bytes: 5, tx_bytes: 2 } },
};

describe('what a container has used', () => {
  test.each<[string, object, object]>([
    [
      'all of it',
      stats,
      {
        cpuSeconds: 2.5,
        memoryBytes: 70 * mebi,
        memoryLimitBytes: 256 * mebi,
        receivedBytes: 15,
        sentBytes: 3,
      },
    ],
    [
      'version 1 of control groups',
      {
        memory_stats: { usage: 9, limit: 10, stats: { total_inactive_file: 4, inactive_file: 1 } },
      },
      { memoryBytes: 5, memoryLimitBytes: 10 },
    ],
    [
      'no limit: the engine says the memory of the host',
      { memory_stats: { usage: 9, limit: hostMemoryBytes } },
      { memoryBytes: 9 },
    ],
    [
      'one that has just ended',
      { cpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: {} },
      {},
    ],
    [
      'more cache than usage',
      { memory_stats: { usage: 9, stats: { inactive_file: 10 } } },
      { memoryBytes: 9 },
    ],
  ])('%s', (_what, answer, usage) => {
    const read = containerUsage(containerStats.parse(answer), hostMemoryBytes);
    expect(JSON.parse(JSON.stringify(read))).toEqual(usage);
  });
});
