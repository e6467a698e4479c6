// `docker service logs` over the nodes of a swarm, as people use it.
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { createIdle, deadlineMs, runs } from '../scheduling/services.ts';
import { useSwarm } from './fleet.ts';
import { byTask, Followed } from './followed.ts';

const swarm = useSwarm();
/** A counter that goes on for as long as its container lives. */
const counter = ['sh', '-c', 'i=0; while true; do echo $i; i=$((i+1)); sleep 0.05; done'];
const open: Followed[] = [];

afterEach(() => {
  for (const followed of open.splice(0)) followed.stop();
});

function follow(machine: Machine, ...args: readonly string[]): Followed {
  const followed = new Followed(machine, ...args);
  open.push(followed);
  return followed;
}

async function logs(machine: Machine, ...args: readonly string[]): Promise<readonly string[]> {
  return (await machine.docker('service', 'logs', ...args)).split('\n').filter(Boolean);
}

function on(...machines: readonly Machine[]): readonly string[] {
  const [only] = machines;
  return machines.length === 1 ? [`--constraint=node.hostname==${only?.name}`] : [];
}

const numbers = (texts: readonly string[]) => texts.map(Number);

function expectCounted(texts: readonly string[]): void {
  expect(numbers(texts)).toEqual(Array.from(texts, (_, at) => at));
}

describe('what is printed', () => {
  const say =
    'for i in 0 1 2 3 4 5 6 7 8 9; do echo line $i; done; sleep 0.5; echo oops >&2; exec sleep 1d';
  const flags = [
    '--container-label=colour=blue',
    '--log-driver=json-file',
    '--log-opt=labels=colour',
  ];

  async function talk(): Promise<Machine> {
    const { m1, w1 } = swarm();
    await createIdle(m1, 'talk', [...on(w1), ...flags], ['sh', '-c', say]);
    await runs(m1, 'talk', 1);
    const said = async () => (await m1.tryDocker(['service', 'logs', '--raw', 'talk'])).stderr;
    // It comes last, half a second after the others: the two streams have no order of their own.
    await eventually('all is said', async () => (await said()) === 'oops\n');
    return m1;
  }

  test('with every flag of the command', async () => {
    const m1 = await talk();
    const [taskId = ''] = (await m1.docker('service', 'ps', '--no-trunc', '-q', 'talk')).split(
      '\n',
    );
    const nodeId = (await m1.docker('node', 'inspect', '--format', '{{.ID}}', 'w1')).trim();
    const last = async (...args: readonly string[]) => (await logs(m1, ...args)).at(-1);
    const bar = /\s+\| /.source;
    const head = `talk\\.1\\.${taskId.slice(0, 12)}@w1${bar}`;
    expect(await last('talk')).toMatch(new RegExp(`^${head}line 9$`));
    expect(await last('--no-task-ids', 'talk')).toMatch(new RegExp(`^talk\\.1@w1${bar}line 9$`));
    expect(await last('--no-trunc', 'talk')).toMatch(
      new RegExp(`^talk\\.1\\.${taskId}@w1${bar}line 9$`),
    );
    expect(await last('--no-resolve', 'talk')).toMatch(new RegExp(`@${nodeId}${bar}line 9$`));
    expect(await last('--details', 'talk')).toMatch(new RegExp(`^${head}colour=blue line 9$`));
    expect(await logs(m1, '--raw', 'talk')).toEqual(
      Array.from({ length: 10 }, (_, at) => `line ${at}`),
    );
    expect((await m1.tryDocker(['service', 'logs', '--raw', 'talk'])).stderr).toBe('oops\n');
    // A task by its id, and the same from a manager that does not hold the node's session.
    expect(await logs(swarm().m3, '--raw', '--tail', '3', taskId)).toHaveLength(3 - 1);
  });

  test('from a line on, up to a line, the last ones', async () => {
    const m1 = await talk();
    const stamped = (await logs(m1, '--raw', '--timestamps', 'talk')).map((line) =>
      line.split(' '),
    );
    const times = stamped.map(([time = '']) => time);
    expect(times.every((time) => /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z$/.test(time))).toBe(true);
    expect(stamped.map(([, , number]) => number)).toEqual([...'0123456789']);
    expect(await logs(m1, '--raw', '--since', times[6] ?? '', 'talk')).toEqual(
      [6, 7, 8, 9].map((number) => `line ${number}`),
    );
    expect(await logs(m1, '--raw', '--since', '1m', '--tail', '4', 'talk')).toHaveLength(4 - 1);
    expect(await logs(m1, '--raw', '--tail', '0', 'talk')).toEqual([]);
    const [seconds, nanos] = [Date.parse(times[2] ?? '') / 1_000, times[2]?.slice(20, 29)];
    const until = `${Math.floor(seconds)}.${nanos}`;
    const path = `/services/talk/logs?stdout=1&until=${until}`;
    const { body } = await m1.http({ method: 'GET', path });
    expect(body.match(/line \d/g)).toEqual(['line 0', 'line 1', 'line 2']);
  });

  test('of a service with a terminal: as it is, and only so', async () => {
    const { m1, w1 } = swarm();
    await createIdle(m1, 'screen', [...on(w1), '--tty'], ['sh', '-c', 'echo seen; exec sleep 1d']);
    await runs(m1, 'screen', 1);
    await eventually('it is said', async () => (await logs(m1, '--raw', 'screen')).length > 0);
    expect(await logs(m1, '--raw', 'screen')).toEqual(['seen\r']);
    expect((await m1.tryDocker(['service', 'logs', 'screen'])).stderr).toContain(
      'tty service logs only supported with --raw',
    );
  });

  test('of a log that cannot be read: why, and nothing else fails', async () => {
    const { m1, w1 } = swarm();
    await createIdle(m1, 'mute', [...on(w1), '--log-driver=none'], counter);
    await runs(m1, 'mute', 1);
    const { code, stdout, stderr } = await m1.tryDocker(['service', 'logs', 'mute']);
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/mute\.1\.\w+@w1.*configured logging driver does not support reading/);
  });

  test('of a task that waits for a node: so it is said', async () => {
    const { m1 } = swarm();
    await createIdle(m1, 'waits', ['--constraint=node.hostname==nowhere'], counter);
    const { code, stderr } = await eventually('its task is there', async () => {
      const result = await m1.tryDocker(['service', 'logs', 'waits']);
      return result.stderr !== '' && result;
    });
    expect([code, stderr]).toEqual([0, expect.stringMatching(/task \w+ has not been scheduled/)]);
  });
});

test('twenty thousand lines of two nodes come complete and in order', async () => {
  const { m1, m2 } = swarm();
  const flags = ['--replicas=2', '--replicas-max-per-node=1', '--constraint=node.hostname!=m3'];
  await createIdle(m1, 'flood', flags, ['sh', '-c', 'seq 0 9999; exec sleep 1d']);
  await runs(m1, 'flood', 2);
  const followed = follow(m2, 'flood');
  await eventually('all has come', () => followed.lines.length >= 20_000, deadlineMs);
  const counted = followed.byTask();
  expect([...counted.values()].map(({ length }) => length)).toEqual([10_000, 10_000]);
  for (const texts of counted.values()) expectCounted(texts);
  const once = byTask(await logs(m1, 'flood'));
  for (const texts of once.values()) expectCounted(texts);
  expect(once.size).toBe(2);
});

describe('followed', () => {
  let manager: Machine;
  beforeAll(() => {
    manager = swarm().m1;
  });

  async function grows(followed: Followed, what: string, tasks: number): Promise<void> {
    const before = [...followed.byTask()].map(([task, texts]) => [task, texts.length] as const);
    const enough = new Map(before.map(([task, length]) => [task, length + 10]));
    await eventually(
      what,
      () => {
        const now = followed.byTask();
        const grown = [...enough].filter(([task, least]) => (now.get(task)?.length ?? 0) >= least);
        if (grown.length >= tasks) return true;
        throw new Error(JSON.stringify({ before, errors: followed.errors }));
      },
      deadlineMs,
    );
  }

  /** Follows a service that counts on m1 and w1. */
  async function counting(): Promise<Followed> {
    const flags = [
      '--mode=global',
      '--constraint=node.hostname!=m3',
      '--constraint=node.hostname!=m2',
    ];
    await createIdle(manager, 'count', flags, counter);
    await runs(manager, 'count', 2);
    const followed = follow(manager, 'count');
    await eventually('both speak', () => followed.byTask().size === 2, deadlineMs);
    await grows(followed, 'they count', 2);
    return followed;
  }

  test('while agents and dispatchers are killed: nothing is lost and nothing comes twice', async () => {
    const { m1, m2, m3, w1 } = swarm();
    const followed = await counting();
    await w1.killProcess('agent');
    await grows(followed, 'they count after the agent', 2);
    await Promise.all([m1, m2, m3].map((machine) => machine.killProcess('dispatcher')));
    await grows(followed, 'they count after the dispatchers', 2);
    for (const texts of followed.byTask().values()) expectCounted(texts);
    expect(followed.code).toBeUndefined();
  });

  test('while a node is lost and comes back: it is named, the others go on', async () => {
    const { w1 } = swarm();
    const followed = await counting();
    await w1.kill();
    try {
      await eventually(
        'the node is named',
        () => /@w1.*node \w+ /.test(followed.errors),
        deadlineMs,
      );
      await grows(followed, 'the other one counts', 1);
    } finally {
      await w1.start();
    }
    // The lost container is followed by another one.
    await eventually('the node speaks again', () => followed.byTask().size === 3, deadlineMs);
    await grows(followed, 'both count again', 2);
    for (const texts of followed.byTask().values()) expectCounted(texts);
    expect(followed.code).toBeUndefined();
  });
});
