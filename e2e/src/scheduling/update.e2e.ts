// Updates that fail, updates that nobody notices, and the ways back.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import { Floor } from './floor.ts';
import {
  createHealthy,
  createIdle,
  deadlineMs,
  order,
  removeServices,
  runs,
  taskRows,
  updateStatus,
} from './services.ts';

let swarm: Swarm;

beforeAll(async () => {
  swarm = await sharedSwarm();
});
beforeEach(() => swarm.fleet.explainFailure());
afterEach(() => removeServices(swarm.m1));

/** No registry knows the image: the manager's own one was meant. */
const pinned = /^busybox:latest@sha256:[0-9a-f]{64}$/;
const noSuchImage = 'no-such:1';

describe('an update to an image that is nowhere', () => {
  test('pauses at the first task; the CLI says so, and the way back is open', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'web', ['--replicas=3', '--update-monitor=2s']);
    await runs(m1, 'web', 3);
    const update = await m1.tryDocker(['service', 'update', `--image=${noSuchImage}`, 'web']);
    expect(update).toMatchObject({ code: 1 });
    expect(update.stderr).toMatch(
      /service update paused: update paused due to failure or early termination of task \w{25}/,
    );
    expect(await updateStatus(m1, 'web')).toMatchObject({
      state: 'paused',
      message: expect.stringMatching(/^update paused due to failure or early termination of task/),
    });
    const rows = await taskRows(m1, 'web');
    const failed = rows.filter(({ image, error }) => image === noSuchImage && error !== '');
    expect(failed[0]?.error).toMatch(/No such image: no-such:1/);
    const untouched = rows.filter(({ image, desired, current }) => {
      return pinned.test(image) && desired === 'Running' && current.startsWith('Running');
    });
    expect(untouched).toHaveLength(2);

    await order(m1, 'service', 'rollback', '--detach', 'web');
    const back = await runs(m1, 'web', 3);
    expect(back.every(({ image }) => pinned.test(image))).toBe(true);
    await eventually(
      'the rollback is complete',
      async () => (await updateStatus(m1, 'web')).message === 'rollback completed',
      deadlineMs,
    );
  });

  test('rolls back by itself where it was told to, and the CLI shows both ways', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'web', [
      ...['--replicas=3', '--update-monitor=2s', '--rollback-monitor=1s'],
      '--update-failure-action=rollback',
    ]);
    await runs(m1, 'web', 3);
    const update = await m1.tryDocker(['service', 'update', `--image=${noSuchImage}`, 'web']);
    expect(update.code, update.stderr).toBe(0);
    expect(update.stdout).toMatch(
      /rollback: update rolled back due to failure or early termination of task \w{25}/,
    );
    expect(update.stdout).toContain('overall progress: rolling back update: 3 out of 3 tasks');
    const status = await eventually(
      'the rollback is complete',
      async () => {
        const said = await m1.docker('service', 'inspect', '--pretty', 'web');
        return said.includes('rollback_completed') && said;
      },
      deadlineMs,
    );
    expect(status).toMatch(/State:\s+rollback_completed\n[\s\S]*Message:\s+rollback completed\n/);
    const rows = await runs(m1, 'web', 3);
    expect(rows.every(({ image }) => pinned.test(image))).toBe(true);
    const image = '{{.Spec.TaskTemplate.ContainerSpec.Image}}';
    const shown = await m1.docker('service', 'inspect', '--format', image, 'web');
    expect(shown.trim()).toMatch(pinned);
  });
});

test('a start-first update never has fewer healthy tasks than replicas', async () => {
  const { m1, fleet } = swarm;
  const replicas = 4;
  await createHealthy(m1, 'web', [
    ...[`--replicas=${replicas}`, '--update-order=start-first', '--update-parallelism=2'],
    '--update-monitor=1s',
  ]);
  await runs(m1, 'web', replicas);
  const floor = new Floor(fleet.machines, 'web');
  await eventually('all are healthy', () => floor.last === replicas, deadlineMs);
  floor.forget();
  await order(m1, 'service', 'update', '--detach', '--env-add=NEW=1', 'web');
  await eventually(
    'the update is complete',
    async () => (await updateStatus(m1, 'web')).message === 'update completed',
    deadlineMs,
  );
  await eventually('the old ones are gone', () => floor.last === replicas, deadlineMs);
  const { least, most, samples } = await floor.stop();
  expect(samples).toBeGreaterThan(20);
  expect(least).toBe(replicas);
  expect(most).toBeGreaterThan(replicas);
  const replaced = await taskRows(m1, 'web');
  expect(replaced.filter(({ desired }) => desired === 'Shutdown')).toHaveLength(replicas);
});

test('a canary is as far as an update goes until its label is removed, and a rollback goes behind it', async () => {
  const { m1, fleet } = swarm;
  await createIdle(m1, 'web', [
    ...['--replicas=3', '--env=TURN=1', '--update-monitor=1s', '--restart-delay=100ms'],
  ]);
  await runs(m1, 'web', 3);
  const turns = async (): Promise<readonly string[]> => {
    await runs(m1, 'web', 3);
    const slots = ['web.1', 'web.2', 'web.3'];
    return Promise.all(
      slots.map(async (slot) => (await m1.docker('exec', slot, 'sh', '-c', 'echo $TURN')).trim()),
    );
  };
  const label = 'shoal.update.canary';
  await order(
    m1,
    'service',
    'update',
    '--quiet',
    `--label-add=${label}=1`,
    '--env-add=TURN=2',
    'web',
  );
  expect(await updateStatus(m1, 'web')).toEqual({
    state: 'completed',
    message: `1 of 3 tasks updated: the rest follows when label ${label} is removed`,
  });
  expect(await turns()).toEqual(['2', '1', '1']);

  for (const machine of fleet.machines)
    for (const [name, id] of await machine.containers('web'))
      if (!name.startsWith('web.3.')) await machine.engine('kill', id);
  await eventually(
    'two have failed',
    async () =>
      (await taskRows(m1, 'web')).filter(({ current }) => current.startsWith('Failed')).length ===
      2,
    deadlineMs,
  );
  expect(await turns()).toEqual(['2', '1', '1']);

  await order(m1, 'service', 'update', '--quiet', `--label-rm=${label}`, 'web');
  expect(await turns()).toEqual(['2', '2', '2']);
  await order(m1, 'service', 'rollback', '--quiet', 'web');
  expect(await turns()).toEqual(['1', '1', '1']);
});

test('a rollback goes to any revision that is kept', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'web', ['--env=TURN=1', '--update-monitor=1s']);
  await runs(m1, 'web', 1);
  for (const turn of [2, 3]) {
    await order(m1, 'service', 'update', '--quiet', `--env-add=TURN=${turn}`, 'web');
  }
  expect(await m1.shoal('history', 'web')).toMatch(/^3 .*\n2 .*\n1 /m);
  expect(await m1.shoal('rollback', '--to=1', 'web')).toContain('from revision 3 to');
  await eventually(
    'the rollback is complete',
    async () => (await updateStatus(m1, 'web')).message === 'rollback completed',
    deadlineMs,
  );
  const env = '{{.Spec.TaskTemplate.ContainerSpec.Env}}';
  expect(await m1.docker('service', 'inspect', '--format', env, 'web')).toBe('[TURN=1]\n');
  await runs(m1, 'web', 1);
});
