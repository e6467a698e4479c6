import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createAllocator } from './allocator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import { network, removed, service, subnet, task } from './testing/objects.ts';
import type { Filling } from './usage.ts';
import { UsageMetric } from './usage-metric.ts';

describe('a network that fills up', () => {
  it('is told of once at four fifths, and again after it was empty', () => {
    const told: Filling[] = [];
    const swarm = new FakeSwarm(createAllocator({ onFilling: (filling) => told.push(filling) }));
    const ids = Array.from({ length: 11 }, (_, at) => `t${at}`);
    swarm.write(subnet('a', '10.1.0.0/28'), ...service('web', { networks: ['a'] }));
    for (const id of ids.slice(0, 9)) swarm.write(task(id, 'web'));
    expect(told).toEqual([]);
    for (const id of ids.slice(9)) swarm.write(task(id, 'web'));
    const sentence = { network: 'name of a', subnets: '10.1.0.0/28', size: 14 };
    expect(told).toEqual([{ ...sentence, used: 12 }]);
    for (const id of ids) swarm.write(...removed(swarm.view, 'task', id));
    for (const id of ids) swarm.write(task(id, 'web'));
    expect(told).toHaveLength(2);
  });

  it('is told of by an allocator that takes over', () => {
    const told: Filling[] = [];
    const swarm = new FakeSwarm().write(
      subnet('a', '10.1.0.0/30'),
      ...service('web', { networks: ['a'] }),
    );
    swarm.restart([], createAllocator({ onFilling: (filling) => told.push(filling) }));
    expect(told).toEqual([{ network: 'name of a', subnets: '10.1.0.0/30', used: 2, size: 2 }]);
  });

  it('is seen in the metric', async () => {
    const registry = new Registry();
    const usage = new UsageMetric();
    usage.register(registry);
    const swarm = new FakeSwarm().write(
      subnet('a', '10.1.0.0/29'),
      network('host', { Predefined: true, Driver: 'host' }),
      ...service('web', { networks: ['a'] }),
      task('one', 'web'),
    );
    usage.follow(swarm.view);
    expect(await registry.metrics()).toMatch(
      /\nshoal_allocator_subnet_used_ratio\{network="name of a"\} 0.5\n*$/,
    );
  });
});
