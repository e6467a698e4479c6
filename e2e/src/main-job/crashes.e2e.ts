// kill -9 of anything, at any time: nothing acknowledged is lost, no container restarts, all goes on.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRunning } from '../host/command.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;

beforeAll(async () => {
  host = await Host.create('crashes');
  await host.up();
  await host.init();
  await host.docker(
    ...['service', 'create', '--name', 'steady', '--replicas', '3', '--stop-grace-period=1s'],
    ...['--restart-delay=1s', 'busybox', 'sleep', '1d'],
  );
});

afterAll(async () => {
  await host.destroy();
});

/** Start times of the containers: they change when one is restarted or replaced. */
async function starts(service: string): Promise<readonly string[]> {
  const ids = [...(await host.containers(service)).values()];
  const out = await host.docker('inspect', '-f', '{{.Name}} {{.State.StartedAt}}', ...ids);
  return out.trim().split('\n').sort();
}

describe('kill -9 of one process', () => {
  test.each([
    ...['api', 'orchestrator', 'allocator', 'scheduler', 'dispatcher'],
    ...['agent', 'dns', 'ingress-lb'],
  ])('%s', async (process_) => {
    const name = `after-${process_}`;
    const before = await starts('steady');
    const pid = await host.pidOf(process_);
    await host.docker(
      'service',
      'create',
      '-d',
      '--name',
      name,
      '--replicas',
      '0',
      'busybox',
      'sleep',
      '1d',
    );
    process.kill(pid, 'SIGKILL');
    await eventually(
      'docker service ls answers again',
      async () => {
        const out = await host.docker('service', 'ls', '--format', '{{.Name}}');
        return out.includes(name);
      },
      2000,
    );
    expect(await host.pidOf(process_).catch(() => 0)).not.toBe(pid);
    await host.docker('service', 'scale', '-d', `${name}=1`);
    await host.converged(name, '1/1');
    await host.docker('service', 'rm', name);
    expect(await starts('steady')).toEqual(before);
  });

  test('docker service ls answers within 2 s of the restart of the api', async () => {
    const pid = await host.pidOf('api');
    process.kill(pid, 'SIGKILL');
    await eventually('a new api process', async () => {
      const now = await host.pidOf('api').catch(() => pid);
      return now !== pid;
    });
    await eventually(
      'an answer',
      async () => (await host.docker('service', 'ls', '-q')).trim() !== '',
      2000,
    );
  });
});

describe('kill -9 of the supervisor', () => {
  test('nothing ends with it, and up takes over', async () => {
    const before = await starts('steady');
    const pids = await host.allPids();
    const [supervisor = 0, ...others] = pids;
    process.kill(supervisor, 'SIGKILL');
    await host.docker('service', 'scale', '-d', 'steady=4');
    await host.converged('steady', '4/4');
    expect(others.filter(isRunning)).toEqual(others);
    await host.up();
    expect(pids.filter(isRunning)).toEqual([]);
    await host.docker('service', 'scale', '-d', 'steady=3');
    await host.converged('steady', '3/3');
    await eventually('three as before', async () => {
      const now = await starts('steady');
      return now.length === before.length && now.every((each) => before.includes(each));
    });
  });
});

describe('kill -9 while work is under way', () => {
  test('every acknowledged create is there, and converges', async () => {
    const acknowledged: string[] = [];
    const killer = (async () => {
      for (const process_ of [
        'scheduler',
        'orchestrator',
        'api',
        'dispatcher',
        'agent',
        'allocator',
      ]) {
        const pid = await eventually('a process to kill', async () => host.pidOf(process_));
        process.kill(pid, 'SIGKILL');
      }
    })();
    for (let round = 0; round < 10; round++) {
      const name = `burst-${round}`;
      const result = await host.tryDocker([
        'service',
        'create',
        '-d',
        '--name',
        name,
        '--stop-grace-period=1s',
        'busybox',
        'sleep',
        '1d',
      ]);
      if (result.code === 0) acknowledged.push(name);
    }
    await killer;
    expect(acknowledged.length).toBeGreaterThan(0);
    for (const name of acknowledged) await host.converged(name, '1/1');
    await host.docker('service', 'rm', ...acknowledged);
    await eventually('their containers are gone', async () => {
      const left = await Promise.all(acknowledged.map((name) => host.containers(name)));
      return left.every((containers) => containers.size === 0);
    });
  });
});

describe('kill -9 of everything', () => {
  test('after up, services, tasks and containers are as before', async () => {
    const containers = await starts('steady');
    const services = await host.docker('service', 'ls');
    const tasks = await host.docker(
      'service',
      'ps',
      'steady',
      '--format',
      '{{.ID}} {{.Name}} {{.DesiredState}}',
    );
    for (const pid of await host.allPids()) process.kill(pid, 'SIGKILL');
    await host.up();
    await host.converged('steady', '3/3');
    expect(await host.docker('service', 'ls')).toBe(services);
    expect(
      await host.docker(
        'service',
        'ps',
        'steady',
        '--format',
        '{{.ID}} {{.Name}} {{.DesiredState}}',
      ),
    ).toBe(tasks);
    expect(await starts('steady')).toEqual(containers);
  });

  test('a container that died meanwhile is replaced', async () => {
    const [name, id] = [...(await host.containers('steady'))][0] ?? ['', ''];
    const [, spared] = [...(await host.containers('steady')).values()];
    for (const pid of await host.allPids()) process.kill(pid, 'SIGKILL');
    const engine = await import('vitest').then(({ inject }) => inject('engineSocket'));
    const { mustRun } = await import('../host/command.ts');
    await mustRun('docker', ['--host', `unix://${engine}`, 'rm', '-f', id]);
    await host.up();
    await eventually('three again', async () => {
      const now = await host.containers('steady');
      return now.size === 3 && !now.has(name) && [...now.values()].includes(spared ?? '');
    });
  });
});

describe('down and up', () => {
  test('down stops the processes and leaves the containers', async () => {
    const before = await starts('steady');
    const pids = await host.allPids();
    await host.down();
    expect(pids.filter(isRunning)).toEqual([]);
    expect((await host.containers('steady')).size).toBe(3);
    await host.up();
    await host.converged('steady', '3/3');
    expect(await starts('steady')).toEqual(before);
  });
});
