// What the suites around here stand on: a machine is a host as users have it, and each fault does
// what it says and ends when it is healed.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';

const clusterPort = 2377;
const hourSeconds = 3_600;

let fleet: Fleet;
let m1: Machine;
let m2: Machine;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2'], { adjustableClock: true });
  m1 = fleet.machine('m1');
  m2 = fleet.machine('m2');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

/** Whether a TCP connection comes about within a second. */
async function reaches(from: Machine, to: Machine, port: number): Promise<boolean> {
  const connect = `exec 3<>/dev/tcp/${to.address}/${port}`;
  return (await from.tryExec(['timeout', '1', 'bash', '-c', connect])).code === 0;
}

test('a swarm of one runs a service on the machine itself', async () => {
  expect(await m1.docker('swarm', 'init')).toContain(`${m1.address}:${clusterPort}`);
  await m1.docker('service', 'create', '--name=web', '--replicas=2', 'whoami');
  const format = '{{.Name}} {{.Node}} {{.CurrentState}}';
  const ps = await m1.docker('service', 'ps', 'web', '--format', format);
  expect(ps.trim().split('\n').sort()).toEqual([
    expect.stringMatching(/^web\.1 m1 Running/),
    expect.stringMatching(/^web\.2 m1 Running/),
  ]);
  expect((await m1.containers('web')).size).toBe(2);
});

test('a process that is killed comes back, and no container notices', async () => {
  const before = await m1.containers('web');
  const pid = m1.processes().get('agent');
  await m1.killProcess('agent');
  await eventually('another agent', () => m1.processes().get('agent') !== pid);
  await eventually('the swarm answers', () => m1.docker('node', 'ls'));
  expect(await m1.containers('web')).toEqual(before);
});

test('cuts of both ways, one way and one port hold until they are healed', async () => {
  expect(await reaches(m2, m1, clusterPort)).toBe(true);
  for (const direction of ['both', 'in', 'out'] as const) {
    await m1.cut(m2, { direction });
    expect(await reaches(m2, m1, clusterPort), direction).toBe(false);
    await m1.heal();
    expect(await reaches(m2, m1, clusterPort), direction).toBe(true);
  }
  await m1.cut('all', { port: clusterPort });
  expect(await reaches(m2, m1, clusterPort)).toBe(false);
  expect(await reaches(m2, m1, clusterPort + 1)).toBe(true);
  await m1.heal();
});

test('a slow line takes its time', async () => {
  const bytes = 50_000;
  const serve = `head -c ${bytes} /dev/zero >/tmp/file; exec httpd -f -p 8001 -h /tmp`;
  await m1.engine('run', '--detach', '--name=file', '--network=host', 'busybox', 'sh', '-c', serve);
  await eventually('the file is served', () => reaches(m2, m1, 8_001));
  const fetchMs = async (): Promise<number> => {
    const url = `http://${m1.address}:8001/file`;
    const read = [
      'run',
      '--rm',
      '--network=host',
      'busybox',
      'sh',
      '-c',
      `wget -qO- ${url} | wc -c`,
    ];
    const begin = performance.now();
    expect((await m2.engine(...read)).trim()).toBe(String(bytes));
    return performance.now() - begin;
  };
  await m1.slow(200);
  expect(await fetchMs()).toBeGreaterThan((bytes * 8) / 200 / 2);
  await m1.heal();
});

test('a frozen machine does not answer; thawed, it goes on where it was', async () => {
  await m1.pause();
  const asked = m1.http({ method: 'GET', path: '/_ping', timeoutMs: 500 });
  await expect(asked).rejects.toThrow('no answer within 500 ms');
  await m1.unpause();
  expect((await m1.http({ method: 'GET', path: '/_ping' })).status).toBe(200);
});

test('a skewed clock is what the processes go by', async () => {
  const createdAt = async (): Promise<number> => {
    const [node = ''] = (await m2.docker('node', 'ls', '--quiet')).split('\n');
    return Date.parse(await m2.docker('node', 'inspect', '--format', '{{.CreatedAt}}', node));
  };
  await m2.skewClock(hourSeconds);
  await eventually('the clock of the api is off', async () => {
    const { headers } = await m2.http({ method: 'GET', path: '/_ping' });
    return Date.parse(String(headers['date'])) - Date.now() > (hourSeconds - 60) * 1_000;
  });
  await m2.docker('swarm', 'init');
  const skewMs = (await createdAt()) - Date.now();
  expect(Math.abs(skewMs - hourSeconds * 1_000)).toBeLessThan(60_000);
});

test('after a power cut the machine is the same node and runs its tasks again', async () => {
  const nodeId = ['info', '--format', '{{.Swarm.NodeID}}'];
  const before = await m1.docker(...nodeId);
  await m1.kill();
  await m1.start();
  expect(await m1.docker(...nodeId)).toBe(before);
  await eventually('two containers', async () => (await m1.containers('web')).size === 2);
});
