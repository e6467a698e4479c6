import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
});
afterEach(() => site.close());

const job = (rest: object = {}, force = 0): object => ({
  Name: 'job',
  TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: force },
  Mode: { ReplicatedJob: { TotalCompletions: 3 } },
  ...rest,
});
const daily = { Labels: { 'shoal.cron': '@daily' } };

interface Read {
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Mode: unknown };
  readonly JobStatus?: {
    readonly JobIteration: { readonly Index?: number };
    readonly LastExecution: string;
  };
  readonly UpdateStatus?: { readonly State: string; readonly Message: string };
}

async function read(): Promise<Read> {
  return (await site.ask('GET', '/services/job')).json as Read;
}

async function create(body: object): Promise<void> {
  expect(await site.ask('POST', '/services/create', body)).toMatchObject({ status: 201 });
}

async function update(body: object, rest = ''): Promise<void> {
  const { Version } = await read();
  const path = `/services/job/update?version=${Version.Index}${rest}`;
  expect(await site.ask('POST', path, body)).toMatchObject({ status: 200 });
}

/** The number of the run that is on or was last; undefined before the first. */
async function runOf(): Promise<number | undefined> {
  const { JobStatus } = await read();
  if (JobStatus === undefined) throw new Error('no JobStatus');
  if (JobStatus.LastExecution.startsWith('0001-')) return undefined;
  return JobStatus.JobIteration.Index ?? 0;
}

describe('a job', () => {
  test('is to run once it is created, one at a time when nothing else is said', async () => {
    await create(job());
    expect(await runOf()).toBe(0);
    expect((await read()).Spec.Mode).toEqual({
      ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 3 },
    });
  });

  test.each([
    ['by force', job({}, 1), ''],
    ['of the scale', job({ Mode: { ReplicatedJob: { TotalCompletions: 5 } } }), ''],
    ['of nothing', job(), ''],
    ['back to the revision before', job(), '&rollback=previous'],
  ])('is to run again after an update %s', async (_what, body, query) => {
    await create(job());
    await update(job({ Labels: { a: '1' } }));
    await update(body, query);
    expect(await runOf()).toBe(2);
    expect((await read()).UpdateStatus).toBeUndefined();
  });

  test('by a schedule waits, and says so; it is to run at once only when it is forced', async () => {
    await create(job(daily));
    expect(await runOf()).toBeUndefined();
    await update(job({ Labels: { ...daily.Labels, a: '1' } }));
    expect(await runOf()).toBeUndefined();
    const { UpdateStatus } = await read();
    expect(UpdateStatus).toMatchObject({ State: 'completed' });
    expect(UpdateStatus?.Message).toMatch(/^waits for its schedule, next run at 20\d\d-/);
    await update(job(daily, 1));
    expect(await runOf()).toBe(0);
    expect((await read()).UpdateStatus).toBeUndefined();
  });

  test('by a schedule waits for it after a rollback too, also over a forced update', async () => {
    await create(job(daily));
    await update(job({ Labels: { ...daily.Labels, a: '1' } }));
    await update(job(daily), '&rollback=previous');
    expect(await runOf()).toBeUndefined();
    await update(job(daily, 1));
    const path = '/shoal/v1/services/job/rollback';
    expect(await site.ask('POST', path)).toMatchObject({ status: 200 });
    expect(await runOf()).toBe(0);
  });

  test('runs at once after a rollback to what had no schedule', async () => {
    await create(job());
    await update(job(daily));
    expect(await runOf()).toBe(0);
    await update(job(), '&rollback=previous');
    expect(await runOf()).toBe(1);
  });

  test.each([
    [job({ UpdateConfig: { Parallelism: 1 } }), 'Jobs may not have an update config'],
    [
      job({ Labels: { 'shoal.cron': 'soon' } }),
      'label shoal.cron="soon" is invalid: must be minute hour day month weekday, or @daily and the like: it has not five fields',
    ],
    [
      job({ ...daily, Mode: { Replicated: { Replicas: 1 } } }),
      'label shoal.cron needs the mode replicated-job or global-job',
    ],
  ])('is refused when %j', async (body, message) => {
    expect(await site.ask('POST', '/services/create', body)).toMatchObject({
      status: 400,
      json: { message: `rpc error: code = InvalidArgument desc = ${message}` },
    });
  });
});
