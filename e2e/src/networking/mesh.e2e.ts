// Published ports: every machine answers, evenly, and tasks see who asked.
import { describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { order, runs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import { get, outsideAddress } from './outside.ts';
import { fileServer, serve, tally } from './tasks.ts';

const swarm = useSwarm();

describe('a published port', () => {
  test('answers on every machine, also on one without a task', async () => {
    const { fleet } = swarm();
    const [task] = await serve(swarm(), 'web', 1, ['--publish=8000:8000'], fileServer);
    for (const { name, address } of fleet.machines)
      await eventually(`${name} answers`, async () => {
        return (await get(address, 8000)).trim() === task?.id.slice(0, 12);
      });
  });

  test('spreads requests evenly over the tasks', async () => {
    const { m1, w1 } = swarm();
    await serve(swarm(), 'web', 3, ['--publish=8000:8000'], fileServer);
    for (const { address } of [m1, w1]) {
      await eventually('three tasks answer', async () => {
        const { answers } = await tally(12, () => get(address, 8000));
        return answers.size === 3;
      });
      const requests = 3_000;
      const { answers, failures } = await tally(requests, () => get(address, 8000));
      expect(failures).toEqual([]);
      for (const count of answers.values())
        expect(Math.abs(count - requests / 3)).toBeLessThan(0.05 * (requests / 3));
    }
  });

  test('lets the task see the address of the client, whichever machine was asked', async () => {
    const { fleet } = swarm();
    await serve(swarm(), 'whoami', 2, ['--publish=8000:8000']);
    for (const { name, address } of fleet.machines) {
      const seen = new Set<string>();
      await eventually(`${name} answers`, async () => (await get(address, 8000)) !== '');
      for (let at = 0; at < 4; at += 1) {
        const answer = await get(address, 8000);
        seen.add(/^RemoteAddr: (\S+)/m.exec(answer)?.[1] ?? answer);
      }
      expect([...seen], `asked ${name}`).toEqual([outsideAddress]);
    }
  });

  test('is chosen where none is named, and taken back with the service', async () => {
    const { m1, w2 } = swarm();
    await serve(swarm(), 'web', 1, ['--publish=8000'], fileServer);
    const format = '{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}';
    const port = Number(await m1.docker('service', 'inspect', '--format', format, 'web'));
    expect(port).toBeGreaterThanOrEqual(30_000);
    expect(port).toBeLessThanOrEqual(32_767);
    await eventually('the port answers', () => get(w2.address, port));
    const taken = await m1.tryDocker([
      'service',
      'create',
      '--detach',
      `--publish=${port}:8000`,
      'whoami',
    ]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(
      new RegExp(
        `port '${port}' is already in use by service 'web' \\(\\w{25}\\) as an ingress port`,
      ),
    );
    await order(m1, 'service', 'rm', 'web');
    await eventually('the port is closed', async () => {
      const { failures } = await tally(1, () => get(w2.address, port));
      return failures.some((failure) => failure.includes('ECONNREFUSED'));
    });
  });

  test('is open to the clients that the service names, on every machine, and to no others', async () => {
    const { m1, w1 } = swarm();
    await serve(swarm(), 'web', 1, ['--publish=8000:8000'], fileServer);
    const allow = (subnets: string) =>
      m1.docker(
        ...['service', 'update', '--detach', `--label-add=shoal.ingress.allow=${subnets}`, 'web'],
      );
    const answers = (address: string) => tally(1, () => get(address, 8_000, 1_000));
    const isOpen = async (address: string) => (await answers(address)).failures.length === 0;
    const isClosed = async (address: string) =>
      (await answers(address)).failures.some((failure) => !failure.includes('ECONNREFUSED'));
    for (const { name, address } of [m1, w1])
      await eventually(`${name} is open`, () => isOpen(address));
    await allow('192.0.2.0/24,2001:db8::/32');
    for (const { name, address } of [m1, w1])
      await eventually(`${name} is closed`, () => isClosed(address));
    await allow(`192.0.2.0/24,${outsideAddress}`);
    for (const { name, address } of [m1, w1])
      await eventually(`${name} is open again`, () => isOpen(address));
    expect((await m1.docker('service', 'ps', '--quiet', 'web')).trim().split('\n')).toHaveLength(1);
  });

  test('loses no request while all tasks are replaced', async () => {
    const { m1, w1 } = swarm();
    const flags = [
      '--publish=8000:8000',
      '--update-order=start-first',
      '--update-parallelism=1',
      '--health-cmd=wget -qO- http://localhost:8000 >/dev/null',
      '--health-interval=500ms',
      '--stop-signal=TERM',
    ];
    await serve(swarm(), 'web', 3, flags, fileServer);
    await eventually('three tasks answer', async () => {
      const { answers } = await tally(12, () => get(w1.address, 8000));
      return answers.size === 3;
    });
    let updated = false;
    let asked = 0;
    const failures: string[] = [];
    const answers = new Set<string>();
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!updated || asked < 10_000) {
          asked += 1;
          try {
            answers.add((await get(w1.address, 8000)).trim());
          } catch (error) {
            failures.push(`${asked}: ${error}`);
          }
        }
      }),
    );
    try {
      await order(m1, 'service', 'update', '--force', 'web');
      await runs(m1, 'web', 3);
    } finally {
      updated = true;
      await load;
    }
    expect(failures).toEqual([]);
    expect(answers.size).toBe(6);
  });
});
