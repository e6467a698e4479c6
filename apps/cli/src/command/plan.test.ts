import { expect, test } from 'vitest';
import { CommandError } from '../terminal.ts';
import { serviceText, type TaskAnswer, taskText } from './explain.ts';
import { type Plan, planText, scaleRequest } from './plan.ts';
import { settingChange, settingsTable } from './settings.ts';

const nothing: Plan = {
  index: 42,
  complete: true,
  takesMs: 0,
  moves: [],
  starts: [],
  stops: [],
  wontFit: [],
  counts: { moves: 0, starts: 0, stops: 0, wontFit: 0 },
};

test('a plan is a table and a sentence', () => {
  const [a, b] = [{ hostname: 'host1' }, { hostname: 'host2' }];
  const text = planText({
    ...nothing,
    moves: [{ task: 'web.1', from: a, to: b }],
    stops: [{ task: 'agent.x', on: a, reason: 'goes with its node' }],
    wontFit: [{ task: 'big.1', from: a, reason: 'no suitable node (insufficient resources)' }],
    counts: { moves: 1, starts: 0, stops: 1, wontFit: 1 },
  });
  const rows = text.split('\n').map((row) => row.split(/ {3,}/));
  expect(rows[0]).toEqual(['', 'TASK', 'FROM', 'TO', 'WHY']);
  expect(rows[1]).toEqual(['moves', 'web.1', 'host1', 'host2']);
  expect(rows[2]).toEqual(['stops', 'agent.x', 'host1', '-', 'goes with its node']);
  expect(rows[3]).toEqual([
    'waits',
    'big.1',
    'host1',
    '-',
    'no suitable node (insufficient resources)',
  ]);
  expect(text).toContain(
    '1 task would move, 1 task would stop, 1 task would find no place (state at log index 42; nothing was changed).',
  );
});

test('a plan of nothing says so, and one that was cut off too', () => {
  expect(planText(nothing)).toBe(
    'Nothing would change (state at log index 42; nothing was changed).\n',
  );
  expect(planText({ ...nothing, complete: false })).toContain('cut off');
});

test('what to scale is read from name=number', () => {
  expect(scaleRequest('a=b=3')).toEqual({ kind: 'scale', service: 'a=b', replicas: 3 });
  for (const text of ['web', 'web=', '=3', 'web=-1', 'web=x'])
    expect(() => scaleRequest(text)).toThrow(CommandError);
});

test('settings are changed by name=value, and taken back by name=', () => {
  expect(settingChange(['a=1', 'b=', 'c=x=y'])).toEqual({ a: '1', b: null, c: 'x=y' });
  expect(() => settingChange(['a'])).toThrow(CommandError);
});

test('settings show what is set and what holds otherwise', () => {
  const text = settingsTable([
    { name: 'shoal.rank', value: null, fallback: 'spread', about: 'which nodes' },
    { name: 'shoal.rebalance', value: 'true', fallback: 'false', about: 'move' },
  ]);
  expect(text.split('\n')[1]).toMatch(/^shoal\.rank +- +spread +which nodes$/);
  expect(text.split('\n')[2]).toMatch(/^shoal\.rebalance +true +false +move$/);
});

const node = { fails: '', lacks: '', ofService: 0, total: 3, failures: 0 };
const answer: TaskAnswer = {
  logIndex: 9,
  task: {
    id: 't2',
    name: 'web.1.t2',
    node: '',
    state: 'pending',
    desired: 'running',
    message: '',
    err: 'no suitable node',
    waitsFor: 'no suitable node',
  },
  chain: [{ at: 0, logIndex: 8, text: 't2 replaces t1, which was on host1, which is down' }],
  decisions: [
    {
      at: 1_000,
      logIndex: 7,
      revision: 1,
      placed: [],
      waiting: 2,
      err: 'no suitable node',
      filters: [{ filter: 'resources', nodes: 1 }],
      candidates: [{ ...node, hostname: 'host2', fails: 'resources', lacks: 'lacks 1 CPU' }],
      nodes: 1,
    },
  ],
  now: {
    filters: [],
    candidates: [{ ...node, hostname: 'host3', score: 1.23456 }],
    nodes: 1,
    fitting: 1,
  },
  schedulers: [{ id: 'scheduler@n/1', answered: false, reason: 'away' }],
};

test('an explanation of a task says why it waits, what came before, and what was decided', () => {
  const text = taskText(answer);
  expect(text).toContain('web.1.t2: pending, meant to be running\nIt waits: no suitable node');
  expect(text).toContain('1970-01-01T00:00:00Z  #8  t2 replaces t1, which was on host1');
  expect(text).toContain(
    'Decided 1970-01-01T00:00:01Z on log index 7: 2 left waiting: no suitable node (failed: resources 1)',
  );
  expect(text).toMatch(/host2 +resources +0 +3 +0 +- +lacks 1 CPU/);
  expect(text).toContain('Nodes now, for one more task: 1 of 1 fit');
  expect(text).toMatch(/host3 +fits +0 +3 +0 +1\.235/);
  expect(text).toContain('scheduler@n/1 could not be asked: away');
});

test('an explanation of a service lists its tasks, also when nobody remembers anything', () => {
  const text = serviceText({
    ...answer,
    decisions: [],
    now: null,
    service: {
      ...{ name: 'web', revision: 3, update: 'paused: update paused' },
      scaling: '4 tasks by load, of 2 to 10: they are busy',
    },
    tasks: [answer.task],
  });
  expect(text).toContain('It is to have 4 tasks by load, of 2 to 10: they are busy');
  expect(text).toContain('web: revision 3, paused: update paused');
  expect(text).toMatch(/web\.1\.t2 +pending +- +no suitable node/);
  expect(text).toContain('No scheduler remembers');
});
