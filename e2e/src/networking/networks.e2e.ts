// The networks themselves: made, listed, looked at, used by hand, removed.
import { describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { deadlineMs, order } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import { client, inside, serve, tryInside, virtualAddresses } from './tasks.ts';

const swarm = useSwarm();

describe('docker network', () => {
  test('creates, lists, inspects and removes an overlay network', async () => {
    const { m1, w1 } = swarm();
    const id = (
      await m1.docker('network', 'create', '-d', 'overlay', '--subnet=10.99.0.0/24', 'demo')
    ).trim();
    expect(id).toMatch(/^[a-z0-9]{25}$/);
    expect(await m1.docker('network', 'ls')).toMatch(
      new RegExp(`^${id.slice(0, 12)}\\s+demo\\s+overlay\\s+swarm$`, 'm'),
    );
    await serve(swarm(), 'web', 3, ['--network=demo']);
    const [network] = JSON.parse(await m1.docker('network', 'inspect', 'demo'));
    expect(network).toMatchObject({
      Name: 'demo',
      Id: id,
      Scope: 'swarm',
      Driver: 'overlay',
      IPAM: { Config: [{ Subnet: '10.99.0.0/24', Gateway: '10.99.0.1' }] },
    });
    // A worker knows a network while it has a task in it.
    expect(await w1.docker('network', 'ls', '--format', '{{.Name}}')).toContain('demo');
    const inUse = await m1.tryDocker(['network', 'rm', 'demo']);
    expect(inUse.code).toBe(1);
    expect(inUse.stderr).toMatch(/network \w{25} is in use by service \w{25}/);
    const twice = await m1.tryDocker(['network', 'create', '-d', 'overlay', 'demo']);
    expect(twice.stderr).toContain('network with name demo already exists');
    await order(m1, 'service', 'rm', 'web');
    await eventually(
      'the network can be removed',
      async () => (await m1.tryDocker(['network', 'rm', 'demo'])).code === 0,
      deadlineMs,
    );
    // Nothing of it is left on any machine.
    for (const machine of swarm().fleet.machines)
      await eventually(
        `${machine.name} has only the ingress network`,
        async () => {
          const names = await machine.exec('ip', 'netns', 'list');
          const left = names.split('\n').filter((name) => name.startsWith('shoal-'));
          if (left.length === 1) return true;
          throw new Error(names);
        },
        deadlineMs,
      );
  });

  test('a network may be attached to by hand', async () => {
    const { m1, w1 } = swarm();
    await order(m1, 'network', 'create', '-d', 'overlay', '--attachable', 'demo');
    await serve(swarm(), 'whoami', 2, ['--network=demo']);
    const { stdout, stderr, code } = await w1.tryDocker([
      'run',
      '--rm',
      '--network=demo',
      'busybox',
      'sh',
      '-c',
      'until wget -qO- http://whoami:8000; do usleep 200000; done',
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/^Hostname: \w{12}/m);
  });

  test('an internal network leads nowhere else', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '-d', 'overlay', '--internal', 'inner');
    await order(m1, 'network', 'create', '-d', 'overlay', 'open');
    const caller = await client(swarm(), '--network=inner');
    expect((await tryInside(caller, 'ping', '-c1', '-W1', m1.address)).code).not.toBe(0);
    await order(m1, 'service', 'rm', 'client');
    const other = await client(swarm(), '--network=open');
    await inside(other, 'ping', '-c1', '-W2', m1.address);
  });

  test('IPv6 works beside IPv4', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '-d', 'overlay', '--ipv6', '--subnet=fd00:99::/64', 'six');
    await serve(swarm(), 'whoami', 2, ['--network=six']);
    const caller = await client(swarm(), '--network=six');
    const addresses = await virtualAddresses(swarm(), 'whoami');
    const six = addresses.find((address) => address.includes(':'));
    expect(six).toMatch(/^fd00:99::/);
    await eventually('the address answers', async () => {
      const { stdout } = await tryInside(caller, 'wget', '-qO-', `http://[${six}]:8000`);
      return stdout.includes('Hostname: ');
    });
  });
});

describe('shoal net', () => {
  test('finds nothing to complain of in a healthy swarm', async () => {
    const { m1 } = swarm();
    await order(m1, 'network', 'create', '-d', 'overlay', 'demo');
    await serve(swarm(), 'whoami', 3, ['--network=demo']);
    await eventually(
      'no drift',
      async () => (await m1.tryExec(['shoal', 'net', 'verify'])).code === 0,
      deadlineMs,
    );
    expect((await m1.tryExec(['shoal', 'net', 'check'])).code).toBe(0);
  });
});
