// A service that follows its load, with the real client and containers that are really busy.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

let host: Host;

beforeAll(async () => {
  host = await Host.create('autoscale');
  await host.up();
  await host.init();
});

afterAll(async () => {
  await host.destroy();
});

/** Two measures, and what is done about them. */
const measuredMsMax = 90_000;
/** Busy, within its limit, until it is told to rest. */
const work =
  'trap "exit 0" TERM; while [ ! -e /tmp/rest ]; do :; done; while :; do sleep 0.2; done';

const shown = async (): Promise<string> =>
  (await host.docker('service', 'ls', '--format', '{{.Replicas}}')).trim();

test('a service has more tasks while they have too much to do, and fewer when they have not', {
  timeout: 240_000,
}, async () => {
  const created = await host.docker(
    ...['service', 'create', '--name', 'worker', '--limit-cpu', '0.2', '--stop-grace-period=1s'],
    ...['--label', 'shoal.autoscale.max=2', '--label', 'shoal.autoscale.cpu=50%'],
    ...['--label', 'shoal.autoscale.down-after=1s', 'busybox', 'sh', '-c', work],
  );
  expect(created).toContain('overall progress: 1 out of 1 tasks');
  await eventually('two tasks run', async () => (await shown()) === '2/2', measuredMsMax);
  const explained = await host.asking('explain', 'worker');
  expect(explained.stdout).toMatch(
    /It is to have 2 tasks by load, of 1 to 2: tasks use 0\.\d+ processors each, of 0\.1 processors to aim at/,
  );
  expect(await host.docker('service', 'inspect', '--pretty', 'worker')).toContain('Replicas:\t2');

  const updated = await host.docker('service', 'update', '--label-add', 'tier=back', 'worker');
  expect(updated).toContain('overall progress: 2 out of 2 tasks');
  const scaled = await host.tryDocker(['service', 'scale', '--detach', 'worker=1']);
  expect(scaled.stderr).toContain('service worker is to have 2 tasks, not 1: it is scaled by load');

  const running = await host.docker('ps', '--quiet', '--filter', 'name=worker');
  for (const id of running.trim().split('\n')) await host.docker('exec', id, 'touch', '/tmp/rest');
  await eventually('one task is left', async () => (await shown()) === '1/1', measuredMsMax);
  await host.docker('service', 'rm', 'worker');
});

test('labels that cannot be read are refused in one sentence', async () => {
  const refused = await host.tryDocker([
    'service',
    'create',
    '--label',
    'shoal.autoscale.cpu=70%',
    'busybox',
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'label shoal.autoscale.cpu needs a label shoal.autoscale.max with the most tasks',
  );
});
