import type { StateView, TaskState, TaskTableView } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createAllocator } from './allocator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import { moved, network, node, removed, service, task } from './testing/objects.ts';

/** The view, with a count of the tasks and addresses that were read one after the other. */
function counting(count: { reads: number }): (view: StateView) => StateView {
  const counted = function* <T>(all: Iterable<T>): Iterable<T> {
    for (const one of all) {
      count.reads += 1;
      yield one;
    }
  };
  return (view) => {
    const { tasks } = view;
    const seen: TaskTableView = Object.assign(Object.create(tasks) as TaskTableView, {
      get: (id: string) => tasks.get(id),
      byService: (id: string) => counted(tasks.byService(id)),
      byNode: (id: string) => counted(tasks.byNode(id)),
      byState: (state: TaskState) => counted(tasks.byState(state)),
      byNetwork: (id: string) => counted(tasks.byNetwork(id)),
    });
    const addresses = (id: string): ReturnType<StateView['addresses']> => {
      const use = view.addresses(id);
      return {
        count: (family) => use.count(family),
        holder: (address) => use.holder(address),
        addresses: () => counted(use.addresses()),
      };
    };
    return Object.create(view, {
      tasks: { get: () => seen },
      addresses: { value: addresses },
    }) as StateView;
  };
}

describe('ten thousand tasks in one network', () => {
  const many = 10_000;
  /** CPU time of allocator and state together; about a tenth of it on a common machine. */
  const cpuSecondsMax = 5;

  it.each([
    ['a subnet', {}],
    ['a range of it', { IPRange: '10.4.0.0/17' }],
  ])('have their addresses in seconds, and one more costs a look at that one: %s', (_of, range) => {
    const count = { reads: 0 };
    const swarm = new FakeSwarm(createAllocator(), counting(count));
    swarm.write(
      ...['n1', 'n2'].map((id) => node(id)),
      network('a', { IPAM: { Configs: [{ Subnet: '10.4.0.0/16', ...range }] } }),
      ...service('web', { networks: ['a'] }),
    );
    const begin = process.cpuUsage();
    swarm.write(
      ...Array.from({ length: many }, (_, at) => task(`t${at}`, 'web', { slot: at + 1 })),
    );
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1e6).toBeLessThan(cpuSecondsMax);
    const { view } = swarm;
    expect([...view.tasks.byState('pending')]).toHaveLength(many);
    expect(view.addresses('a').count(4)).toBe(many + 2);
    count.reads = 0;
    swarm.write(task('one-more', 'web'));
    expect(view.tasks.get('one-more')?.networks?.[0]?.addresses).toEqual(['10.4.39.19/16']);
    swarm.write(...moved(view, 'one-more', 'running', 'n1'));
    swarm.write(...moved(view, 'one-more', 'failed'));
    swarm.write(...removed(view, 'task', 'one-more'));
    expect(count.reads).toBeLessThan(10);
  });
});
