// Work that ends: jobs on some nodes or all, what becomes of those that fail, and jobs by the clock.
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../host/wait.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import { deadlineMs, order, removeServices, taskRows } from './services.ts';

let swarm: Swarm;

beforeAll(async () => {
  swarm = await sharedSwarm();
});
beforeEach(() => swarm.fleet.explainFailure());
afterEach(() => removeServices(swarm.m1));

const jobTask = z.object({
  Slot: z.number().default(0),
  JobIteration: z.object({ Index: z.number().default(0) }),
  Status: z.object({
    State: z.string(),
    ContainerStatus: z.object({ ExitCode: z.number() }).optional(),
  }),
});

/** Slot, run, state and exit code of every task of the job, in that order. */
async function tasksOf(service: string): Promise<readonly string[]> {
  const filters = encodeURIComponent(JSON.stringify({ service: [service] }));
  const { body } = await swarm.m1.http({ method: 'GET', path: `/tasks?filters=${filters}` });
  return z
    .array(jobTask)
    .parse(JSON.parse(body))
    .map(
      ({ Slot, JobIteration, Status }) =>
        `${Slot} run ${JobIteration.Index} ${Status.State} ${Status.ContainerStatus?.ExitCode}`,
    )
    .sort();
}

function create(...words: readonly string[]): Promise<string> {
  return swarm.m1.docker('service', 'create', '--quiet', '--stop-signal=KILL', ...words);
}

async function listed(service: string): Promise<string> {
  const out = await swarm.m1.docker(
    'service',
    'ls',
    '--format',
    '{{.Name}} {{.Mode}} {{.Replicas}}',
  );
  return out.split('\n').find((row) => row.startsWith(`${service} `)) ?? '';
}

async function eventuallyListed(service: string, row: string): Promise<void> {
  const isListed = async (): Promise<boolean> => (await listed(service)) === `${service} ${row}`;
  await eventually(`${service} ${row}`, isListed, deadlineMs);
}

test('a replicated job: the command waits, two at a time, until all five have completed', async () => {
  const { m1 } = swarm;
  const out = await m1.docker(
    ...['service', 'create', '--name=count', '--mode=replicated-job'],
    ...['--replicas=5', '--max-concurrent=2', 'busybox', 'true'],
  );
  expect(out).toContain('active tasks: 2 out of 2 tasks\n');
  expect(out).toMatch(/active tasks: 0 out of 0 tasks\njob complete\n$/);
  expect(await listed('count')).toBe('count replicated job 0/2 (5/5 completed)');
  expect(await tasksOf('count')).toEqual([0, 1, 2, 3, 4].map((slot) => `${slot} run 0 complete 0`));
  const [row] = await taskRows(m1, 'count');
  expect(row).toMatchObject({ desired: 'Complete', error: '' });
  expect(row?.current).toMatch(/^Complete/);
});

test('update --force runs it again, scale runs it as often, and the runs before stay in the history', async () => {
  const { m1 } = swarm;
  await create('--name=again', '--mode=replicated-job', '--replicas=2', 'busybox', 'true');
  await m1.docker('service', 'update', '--quiet', '--force', 'again');
  await m1.docker('service', 'scale', 'again=3');
  expect(await listed('again')).toBe('again replicated job 0/2 (3/3 completed)');
  expect(await tasksOf('again')).toEqual([
    '0 run 0 complete 0',
    '0 run 1 complete 0',
    '0 run 2 complete 0',
    '1 run 0 complete 0',
    '1 run 1 complete 0',
    '1 run 2 complete 0',
    '2 run 2 complete 0',
  ]);
});

test('a job that fails is tried again as often as it may be, and shows its exit codes', async () => {
  const { m1 } = swarm;
  const flags = ['--restart-max-attempts=2', '--restart-delay=100ms', '--max-concurrent=2'];
  const script = 'test "$SLOT" != 1 || exit 7';
  await m1.docker(
    ...['service', 'create', '--detach', '--name=flaky', '--mode=replicated-job', '--replicas=2'],
    ...[...flags, '--env=SLOT={{.Task.Slot}}', 'busybox', 'sh', '-c', script],
  );
  const expected = ['0 run 0 complete 0', ...Array(3).fill('1 run 0 failed 7')];
  await eventually(
    'every try was made',
    async () => {
      const tasks = await tasksOf('flaky');
      if (isDeepStrictEqual(tasks, expected)) return true;
      throw new Error(JSON.stringify(tasks));
    },
    deadlineMs,
  );
  const failed = (await taskRows(m1, 'flaky')).filter(({ name }) => name === 'flaky.1');
  expect(failed.map(({ error }) => error)).toEqual(Array(3).fill('"task: non-zero exit (7)"'));
  expect(await listed('flaky')).toBe('flaky replicated job 0/2 (1/2 completed)');
});

test('a global job runs once on every node', async () => {
  const { m1 } = swarm;
  await create('--name=all', '--mode=global-job', 'busybox', 'true');
  const nodes = (await taskRows(m1, 'all')).map(({ node }) => node);
  expect(nodes.sort()).toEqual(['m1', 'm2', 'm3', 'w1']);
  expect(await listed('all')).toBe('all global job 0/0 (4/4 completed)');
});

test('a job cannot have an update config, nor a schedule that never comes', async () => {
  const { m1 } = swarm;
  const body = JSON.stringify({
    Name: 'wrong',
    TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
    Mode: { ReplicatedJob: {} },
    UpdateConfig: { Parallelism: 1 },
  });
  const answer = await m1.http({ method: 'POST', path: '/services/create', body });
  expect(answer).toMatchObject({ status: 400 });
  expect(answer.body).toContain('Jobs may not have an update config');
  await expect(
    create('--name=wrong', '--mode=replicated-job', '--label=shoal.cron=0 0 31 2 *', 'busybox'),
  ).rejects.toThrow('label shoal.cron="0 0 31 2 *" is invalid: must name a day that comes');
});

async function update(...args: readonly string[]): Promise<void> {
  await order(swarm.m1, 'service', 'update', '--quiet', ...args);
}

test('a job by the clock: the command does not wait for it, its runs come, force runs it at once', async () => {
  const { m1 } = swarm;
  const schedule = '--label=shoal.cron=@every 3s';
  await create('--name=tick', '--mode=replicated-job', schedule, 'busybox', 'true');
  const status = await m1.docker(
    'service',
    'inspect',
    '--format={{.UpdateStatus.Message}}',
    'tick',
  );
  expect(status).toMatch(/^waits for its schedule, next run at \d{4}-/);
  await eventually(
    'two runs have completed',
    async () => (await tasksOf('tick')).filter((task) => /complete 0$/.test(task)).length >= 2,
    deadlineMs,
  );
  await update('--label-add=shoal.cron=@yearly', 'tick');
  const runs = (await tasksOf('tick')).length;
  await update('--force', 'tick');
  expect((await tasksOf('tick')).length).toBe(Math.min(5, runs + 1));
});

test('a service with the labels of swarm-cronjob', async () => {
  const { m1 } = swarm;
  const labels = [
    '--label=swarm.cronjob.enable=true',
    '--label=swarm.cronjob.schedule=*/3 * * * * *',
  ];
  const once = ['--replicas=0', '--restart-condition=none'];
  await create('--detach', '--name=wild', ...labels, ...once, 'busybox', 'true');
  await eventually(
    'two runs have completed',
    async () => {
      const rows = await taskRows(m1, 'wild');
      return rows.filter(({ current }) => current.startsWith('Complete')).length >= 2;
    },
    deadlineMs,
  );
});

test('a job whose node is drained completes elsewhere', async () => {
  const { m1 } = swarm;
  await m1.docker('node', 'update', '--label-add=work=yes', 'w1');
  await m1.docker(
    ...['service', 'create', '--detach', '--name=moved', '--mode=replicated-job'],
    ...['--constraint=node.labels.work==yes', '--stop-signal=KILL', '--env=ON={{.Node.Hostname}}'],
    ...['busybox', 'sh', '-c', '[ "$ON" != w1 ] || exec sleep 1d'],
  );
  await eventuallyListed('moved', 'replicated job 1/1 (0/1 completed)');
  await m1.docker('node', 'update', '--label-add=work=yes', 'm3');
  await m1.docker('node', 'update', '--availability=drain', 'w1');
  await eventuallyListed('moved', 'replicated job 0/1 (1/1 completed)');
  expect(await tasksOf('moved')).toEqual(['0 run 0 complete 0', '0 run 0 shutdown 137']);
  await m1.docker('node', 'update', '--availability=active', '--label-rm=work', 'w1');
  await m1.docker('node', 'update', '--label-rm=work', 'm3');
});
