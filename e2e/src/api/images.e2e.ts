// Images that no registry has: built on one host, run on all.
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { mustRun } from '../host/command.ts';
import type { Machine } from '../hosts/machine.ts';
import { order, runs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';

const swarm = useSwarm();
/** Big enough that somebody sees it come. */
const bigMegabytes = 12;
const lookEveryMs = 20;

const tasksShape = z.array(
  z.object({ Status: z.object({ Message: z.string(), Err: z.string().default('') }) }),
);

afterAll(async () => {
  const { fleet } = swarm();
  for (const machine of fleet.machines) {
    const built = await machine.engine('images', '--quiet', '--filter', 'label=built');
    const ids = [...new Set(built.split('\n').filter(Boolean))];
    if (ids.length > 0) await machine.engine('rmi', '--force', ...ids);
  }
});

/** Builds an image on one machine; gives its id. */
async function build(machine: Machine, name: string, what: string, megabytes = 1): Promise<string> {
  const fill = `dd if=/dev/urandom of=/fill bs=1M count=${megabytes} && echo ${what} >/what`;
  const id = await machine.docker('create', 'busybox', 'sh', '-c', fill);
  await machine.docker('start', '--attach', id.trim());
  const changes = ['--change', 'LABEL built=yes', '--change', 'CMD ["sleep","1d"]'];
  const made = await machine.docker('commit', ...changes, id.trim(), name);
  await machine.docker('rm', id.trim());
  return made.trim();
}

/** What the tasks of the swarm say, until `ended`. */
async function messages(machine: Machine, ended: Promise<unknown>): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  let isOver = false;
  const over = ended.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const { body } = await machine.http({ method: 'GET', path: '/tasks' });
    for (const { Status } of tasksShape.parse(JSON.parse(body)))
      seen.add(Status.Message).add(`error: ${Status.Err}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
  await over;
  return seen;
}

/** Ids of the images that the containers of a service are made of, on all machines. */
async function imagesOf(service: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const machine of swarm().fleet.machines)
    for (const container of (await machine.containers(service)).values())
      ids.push((await machine.engine('inspect', '--format', '{{.Image}}', container)).trim());
  return ids;
}

const basics = ['--detach', '--stop-signal=KILL', '--replicas-max-per-node=1'];

test('an image that was built on one host runs on every host, and the tasks say how it comes', async () => {
  const { m1, w1 } = swarm();
  const first = await build(m1, 'built:1', 'first', bigMegabytes);
  const created = await m1.tryDocker([
    'service',
    'create',
    ...basics,
    '--name=web',
    '--replicas=4',
    'built:1',
  ]);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  const said = [...(await messages(m1, runs(m1, 'web', 4)))].join('\n');
  expect(said).toMatch(/^preparing: fetching image built:1 from node \w+: \d+(\.\d)? of 1\d MB$/m);
  // What the progress bar of the docker command shows.
  expect(said).toMatch(/^error: fetching image built:1 from node \w+: \d+(\.\d)? of 1\d MB$/m);
  expect(await imagesOf('web')).toEqual(Array(4).fill(first));
  const shown = await w1.engine(
    'ps',
    '--filter',
    'label=com.docker.swarm.service.name=web',
    '--format',
    '{{.Image}}',
  );
  expect(shown).toBe('built:1\n');
  expect(
    await w1.engine('images', '--format', '{{.Repository}}:{{.Tag}}', '--filter', 'label=built'),
  ).toBe('built:1\n');
});

test('built again under the same name it takes the place of the old one everywhere', async () => {
  const { m1 } = swarm();
  await build(m1, 'built:2', 'first');
  await order(m1, 'service', 'create', ...basics, '--name=web', '--replicas=3', 'built:2');
  await runs(m1, 'web', 3);
  const second = await build(m1, 'built:2', 'second');
  // What is not asked to change does not change with the tag.
  await order(m1, 'service', 'scale', '--detach', 'web=4');
  await runs(m1, 'web', 4);
  expect(new Set(await imagesOf('web')).size).toBe(1);
  expect(await imagesOf('web')).not.toContain(second);
  await mustRun('docker', [
    ...['--host', `unix://${m1.socket}`, 'service', 'update', '--quiet'],
    ...['--update-parallelism=0', '--update-monitor=1s', '--image=built:2', 'web'],
  ]);
  expect(await imagesOf('web')).toEqual(Array(4).fill(second));
});

test('an image that its host has lost comes from another one', async () => {
  const { m1, m2, w1 } = swarm();
  const id = await build(m1, 'built:3', 'first', 5 * bigMegabytes);
  const on = (machine: Machine) => [`--constraint=node.hostname==${machine.name}`];
  await order(m1, 'service', 'create', ...basics, ...on(m2), '--name=one', 'built:3');
  await runs(m1, 'one', 1);
  await m1.docker('rmi', 'built:3');
  await order(
    m1,
    'service',
    'create',
    '--no-resolve-image',
    ...basics,
    ...on(w1),
    '--name=other',
    'built:3',
  );
  const said = [...(await messages(m1, runs(m1, 'other', 1)))].join('\n');
  expect(said).toMatch(/^preparing: fetching image built:3 from node m2:/m);
  expect(await imagesOf('other')).toEqual([id]);
});
