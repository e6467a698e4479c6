// Names: what containers find by them, and what they do not.
import { describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { deadlineMs, order, runs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import {
  addressesIn,
  client,
  inside,
  lookup,
  resolves,
  serve,
  tryInside,
  virtualAddresses,
} from './tasks.ts';

const swarm = useSwarm();

describe('in a network of services', () => {
  test('a service has one virtual address, its tasks their own, wherever they run', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    const tasks = await serve(swarm(), 'whoami', 3, ['--network=demo']);
    expect(new Set(tasks.map(({ machine }) => machine.name)).size).toBe(3);
    const caller = await client(swarm(), '--network=demo');

    const [virtual, ...more] = await virtualAddresses(swarm(), 'whoami');
    expect(more).toEqual([]);
    await resolves(caller, 'whoami', [virtual ?? '']);
    const own = await addressesIn(swarm(), 'whoami', 'demo');
    expect(own).toHaveLength(3);
    await resolves(caller, 'tasks.whoami', own);
    // Each container by its own name, which is its task's.
    for (const { name } of tasks) expect(own).toContain((await lookup(caller, name))[0]);
    // The address leads to all of them, and to nobody else.
    const hosts = new Set<string>();
    for (let at = 0; at < 6; at += 1) {
      const answer = await inside(caller, 'wget', '-qO-', 'http://whoami:8000');
      hosts.add(/^Hostname: (\S+)/.exec(answer)?.[1] ?? answer);
    }
    expect([...hosts].sort()).toEqual(tasks.map(({ id }) => id.slice(0, 12)).sort());
    // It answers pings itself, as no task could.
    await inside(caller, 'ping', '-c', '1', '-W', '2', 'whoami');
  });

  test('a name follows its service: scaled up, scaled down, gone', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    await serve(swarm(), 'whoami', 1, ['--network=demo']);
    const caller = await client(swarm(), '--network=demo');
    for (const replicas of [4, 2]) {
      await order(m1, 'service', 'scale', '--detach', `whoami=${replicas}`);
      await runs(m1, 'whoami', replicas);
      await resolves(caller, 'tasks.whoami', await addressesIn(swarm(), 'whoami', 'demo'));
    }
    await order(m1, 'service', 'rm', 'whoami');
    await resolves(caller, 'whoami', []);
    await resolves(caller, 'tasks.whoami', []);
  });

  test('endpoint mode dnsrr: the name stands for the tasks themselves', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    await serve(swarm(), 'whoami', 3, ['--network=demo', '--endpoint-mode=dnsrr']);
    const caller = await client(swarm(), '--network=demo');
    expect(await virtualAddresses(swarm(), 'whoami')).toEqual([]);
    await resolves(caller, 'whoami', await addressesIn(swarm(), 'whoami', 'demo'));
  });

  test('aliases work; names of other networks do not', async () => {
    const { m1 } = swarm();
    for (const name of ['front', 'back'])
      await order(m1, 'network', 'create', '--driver=overlay', name);
    await serve(swarm(), 'shop', 1, ['--network=name=front,alias=store']);
    await serve(swarm(), 'vault', 1, ['--network=back']);
    const caller = await client(swarm(), '--network=front');
    const [shop = ''] = await virtualAddresses(swarm(), 'shop');
    await resolves(caller, 'store', [shop]);
    expect(await lookup(caller, 'vault')).toEqual([]);
    const [vault = ''] = await virtualAddresses(swarm(), 'vault');
    const reached = await tryInside(caller, 'ping', '-c', '1', '-W', '1', vault);
    expect(reached.code).not.toBe(0);
  });

  test('only healthy tasks are found', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '--driver=overlay', 'demo');
    const caller = await client(swarm(), '--network=demo');
    const check = ['--health-cmd=test -e /tmp/well', '--health-interval=300ms'];
    await order(
      m1,
      'service',
      'create',
      '--detach',
      '--name=slow',
      '--network=demo',
      '--stop-signal=KILL',
      ...check,
      '--health-start-period=1m',
      'busybox',
      'sleep',
      '1d',
    );
    const container = await eventually(
      'the container runs',
      async () => {
        for (const machine of swarm().fleet.machines)
          for (const [name, id] of await machine.containers('slow')) return { machine, id, name };
        return undefined;
      },
      deadlineMs,
    );
    expect(await lookup(caller, 'tasks.slow')).toEqual([]);
    await inside(container, 'touch', '/tmp/well');
    await resolves(caller, 'tasks.slow', await addressesIn(swarm(), 'slow', 'demo'));
  });
});
