// When tasks are started again, how soon, and what they wait for before they start at all.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import {
  createHealthy,
  createIdle,
  deadlineMs,
  removeServices,
  runs,
  says,
  taskRows,
} from './services.ts';

let swarm: Swarm;

beforeAll(async () => {
  swarm = await sharedSwarm();
});
beforeEach(() => swarm.fleet.explainFailure());
afterEach(() => removeServices(swarm.m1));

describe('the restart policy', () => {
  test('stops after so many attempts', async () => {
    const { m1 } = swarm;
    const policy = ['--restart-max-attempts=2', '--restart-delay=100ms'];
    await createIdle(m1, 'crash', policy, ['sh', '-c', 'exit 3']);
    const rows = await eventually(
      'three failures and no more tasks',
      async () => {
        const all = await taskRows(m1, 'crash');
        const isOver = all.length === 3 && all.every(({ current }) => current.startsWith('Failed'));
        if (isOver) return all;
        throw new Error(JSON.stringify(all));
      },
      deadlineMs,
    );
    for (const { error } of rows) expect(error).toMatch(/task: non-zero exit \(3\)/);
  });

  test('on-failure leaves alone what ended well, and tries again what did not', async () => {
    const { m1 } = swarm;
    const policy = ['--restart-condition=on-failure', '--restart-delay=100ms'];
    await createIdle(m1, 'well', policy, ['true']);
    const command = ['sh', '-c', 'test -e /data/once || { touch /data/once; exit 1; }'];
    const data = '--mount=type=volume,source=once,target=/data';
    await createIdle(m1, 'second', [...policy, data], command);
    await eventually(
      'both ended well',
      async () => {
        const [well, second] = [await taskRows(m1, 'well'), await taskRows(m1, 'second')];
        const states = (rows: typeof well): string =>
          rows.map(({ current }) => current.split(' ')[0]).join();
        if (states(well) === 'Complete' && states(second) === 'Complete,Failed') return true;
        throw new Error(JSON.stringify([well, second]));
      },
      deadlineMs,
    );
  });

  test('waits longer the more often a task crashes, and the task says so', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'loop', ['--restart-delay=1s'], ['sh', '-c', 'exit 1']);
    const row = await says(m1, 'loop', /waits [48]s to restart: [34] failures in a row/);
    expect(row.desired).toBe('Ready');
  });
});

test('an unhealthy container is replaced', async () => {
  const { m1, fleet } = swarm;
  await createHealthy(m1, 'well', ['--restart-delay=100ms']);
  const [row] = await runs(m1, 'well', 1);
  const machine = fleet.machine(row?.node ?? '');
  const [[name, id] = ['', '']] = await machine.containers('well');
  await machine.engine('exec', id, 'rm', '/tmp/well');
  await says(m1, 'well', /unhealthy container/);
  // It is told of before it stops, while the task still counts as running.
  await eventually(
    'the unhealthy container has stopped',
    async () => {
      const all = await Promise.all(fleet.machines.map((one) => one.containers('well')));
      return all.every((containers) => !containers.has(name));
    },
    deadlineMs,
  );
  await runs(m1, 'well', 1);
});

test('a service waits until those it depends on are healthy, and says for what', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'app', ['--label=shoal.depends-on=db:healthy']);
  const alone = await says(m1, 'app', /waits for db, but there is no service of that name/);
  expect(alone.current).toMatch(/^Pending/);
  // Not well until it is told to be.
  const sick = [
    '--health-cmd=test -e /tmp/well',
    '--health-interval=500ms',
    '--health-retries=100',
  ];
  await createIdle(m1, 'db', sick);
  await says(m1, 'app', /waits for db to be healthy \(0 of 1/);
  const [machine, id] = await eventually(
    'the container of db',
    async () => {
      for (const one of swarm.fleet.machines) {
        const [found] = (await one.containers('db')).values();
        if (found !== undefined) return [one, found] as const;
      }
      return undefined;
    },
    deadlineMs,
  );
  await machine.engine('exec', id, 'touch', '/tmp/well');
  await runs(m1, 'db', 1);
  await runs(m1, 'app', 1);
});
