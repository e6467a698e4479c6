// What would happen if: plans, survivability, explanations, settings and rebalancing, as people use them.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../host/wait.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import {
  countByNode,
  createIdle,
  deadlineMs,
  isRunning,
  order,
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

const exitWontFit = 4;
const named = z.object({ hostname: z.string() });
const planned = z.object({
  complete: z.boolean(),
  moves: z.array(z.object({ task: z.string(), from: named, to: named })),
  wontFit: z.array(z.object({ task: z.string(), reason: z.string() })),
  counts: z.object({ moves: z.number(), starts: z.number(), wontFit: z.number() }),
});

async function plan(...words: readonly string[]): Promise<z.output<typeof planned>> {
  const { stdout } = await swarm.m1.tryExec(['shoal', 'plan', ...words, '--json']);
  return planned.parse(JSON.parse(stdout));
}

describe('a plan', () => {
  test('of a drain says what the drain then does, and changes nothing itself', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'web', ['--replicas=8']);
    const before = await runs(m1, 'web', 8);
    const onM2 = before.filter(({ node }) => node === 'm2').map(({ name }) => name);
    const { moves, wontFit, complete } = await plan('drain', 'm2');
    expect(moves.map(({ task }) => task).sort()).toEqual(onM2.sort());
    expect({ wontFit, complete }).toEqual({ wontFit: [], complete: true });
    expect((await runs(m1, 'web', 8)).map(({ node }) => node)).toEqual(
      before.map(({ node }) => node),
    );
    await order(m1, 'node', 'update', '--availability=drain', 'm2');
    try {
      await eventually(
        'the drain has moved them',
        async () => {
          const rows = (await taskRows(m1, 'web')).filter(isRunning);
          return rows.length === 8 && rows.every(({ node }) => node !== 'm2');
        },
        deadlineMs,
      );
      const after = countByNode(await runs(m1, 'web', 8));
      // Of equally good nodes a task may get another one than in the plan: its id decides, which is new.
      const foretold = { ...countByNode(before.filter(({ node }) => node !== 'm2')) };
      for (const { to } of moves) foretold[to.hostname] = (foretold[to.hostname] ?? 0) + 1;
      expect(Object.values(after).sort()).toEqual(Object.values(foretold).sort());
    } finally {
      await order(m1, 'node', 'update', '--availability=active', 'm2');
    }
  });

  test('names what would find no place, in the words of the scheduler, with a code of its own', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'web', ['--replicas=4', '--replicas-max-per-node=1']);
    await runs(m1, 'web', 4);
    const { code, stdout } = await m1.tryExec(['shoal', 'plan', 'scale', 'web=5']);
    expect(code).toBe(exitWontFit);
    expect(stdout).toMatch(/waits +web\.5 +- +- +no suitable node \(max replicas per node limit/);
    expect(stdout).toContain('1 task would find no place');
    expect((await plan('lose', 'w1')).wontFit).toHaveLength(1);
    expect((await m1.tryExec(['shoal', 'plan', 'scale', 'web=3'])).code).toBe(0);
  });

  test('of what is not there is refused in one sentence', async () => {
    const { code, stderr } = await swarm.m1.tryExec(['shoal', 'plan', 'drain', 'nobody']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('node nobody not found');
  });
});

test('survivability tells for every node what its loss would cost', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'db', ['--constraint=node.hostname==w1']);
  await runs(m1, 'db', 1);
  const answer = z.object({
    current: z.boolean(),
    nodes: z.array(
      z.object({
        node: named,
        wontFitCount: z.number(),
        losesOnly: z.array(z.object({ service: z.string() })),
        managers: z.object({ left: z.number(), keepsQuorum: z.boolean() }).optional(),
      }),
    ),
  });
  const { nodes } = await eventually(
    'an answer for the state with db in it',
    async () => {
      const { body } = await m1.http({ method: 'GET', path: '/shoal/v1/survivability' });
      const told = answer.parse(JSON.parse(body));
      return told.current && told.nodes.some(({ losesOnly }) => losesOnly.length > 0) && told;
    },
    deadlineMs,
  );
  const byName = Object.fromEntries(nodes.map((one) => [one.node.hostname, one]));
  expect(Object.keys(byName).sort()).toEqual(['m1', 'm2', 'm3', 'w1']);
  expect(byName['w1']).toMatchObject({ wontFitCount: 1, losesOnly: [{ service: 'db' }] });
  expect(byName['m3']).toMatchObject({ managers: { left: 2, keepsQuorum: true }, losesOnly: [] });
});

describe('an explanation', () => {
  test('of a task that waits: why, what was decided, and what each node lacks', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'huge', ['--reserve-memory=900g']);
    await says(m1, 'huge', /no suitable node/);
    const [id = ''] = (await m1.docker('service', 'ps', '--quiet', '--no-trunc', 'huge')).split(
      '\n',
    );
    const text = await m1.shoal('explain', id);
    expect(text).toContain('It waits: no suitable node (insufficient resources on 4 nodes)');
    expect(text).toMatch(/Decided .* on log index \d+: 1 left waiting/);
    expect(text).toMatch(/Nodes now, for one more task: 0 of 4 fit \(failed: resources 4\)/);
    expect(text).toMatch(/w1 +resources .*memory/);
    expect(text).not.toContain('could not be asked');
  });

  test('of a service: where each task is, and the record of how it was placed', async () => {
    const { m1 } = swarm;
    await createIdle(m1, 'web', ['--replicas=2']);
    const [row] = await runs(m1, 'web', 2);
    const text = await m1.shoal('explain', 'web');
    expect(text).toContain('web: revision 1');
    expect(text).toMatch(new RegExp(`web\\.1\\S* +running +${row?.node}`));
    expect(text).toContain('2 tasks placed');
  });
});

test('rebalancing, once it is set, evens out what a node missed, one task after the other', async () => {
  const { m1 } = swarm;
  await order(m1, 'node', 'update', '--availability=drain', 'w1');
  try {
    await createIdle(m1, 'web', ['--replicas=9']);
    await runs(m1, 'web', 9);
  } finally {
    await order(m1, 'node', 'update', '--availability=active', 'w1');
  }
  const { moves } = await plan('rebalance');
  expect(moves.map(({ to }) => to.hostname)).toEqual(['w1', 'w1']);
  let fewest = 9;
  await m1.shoal('settings', 'set', 'shoal.rebalance=true', 'shoal.rebalance.moves-per-hour=3600');
  try {
    await eventually(
      'w1 has its share',
      async () => {
        const rows = (await taskRows(m1, 'web')).filter(isRunning);
        fewest = Math.min(fewest, rows.length);
        return countByNode(rows)['w1'] === 2 && rows.length === 9;
      },
      deadlineMs,
    );
    expect(fewest).toBe(9);
    expect(Object.values(countByNode(await runs(m1, 'web', 9))).sort()).toEqual([2, 2, 2, 3]);
  } finally {
    await m1.shoal('settings', 'set', 'shoal.rebalance=', 'shoal.rebalance.moves-per-hour=');
  }
});
