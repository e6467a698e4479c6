import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, State, type Task } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { taskShape } from './task.ts';
import { TaskTexts } from './task-list.ts';

const at = Date.parse('2026-11-21T02:57:47.120Z') as Instant;
const meta = { version: 0 as LogIndex, createdAt: at, updatedAt: at };
let state: State;
let index = 0;

function commit(...changes: Change[]): void {
  index += 1;
  const [outcome] = state.applyTransactions(index as LogIndex, at, [
    {
      id: `t${index}`,
      actor: { kind: 'user', name: 'x' },
      reason: 'x',
      decidedAt: 0 as LogIndex,
      changes,
    },
  ]).outcomes;
  expect(outcome).toMatchObject({ kind: 'committed' });
}

function task(id: string, slot: number, rest: Partial<Task>): Change {
  const status = { state: 'pending' as const, at, message: '', err: '' };
  const object: Task = {
    ...{ id, meta, serviceId: 's1', slot, nodeId: '', revision: 1, desired: 'running', status },
    ...rest,
  };
  return { op: 'create', table: 'task', object };
}

beforeEach(() => {
  state = new State();
  index = 0;
  const spec = (Name: string, Target: string, more: object) => ({
    Name,
    Labels: { '"Spec":"@"': '"NetworksAttachments":"@"' },
    TaskTemplate: {
      ContainerSpec: { Image: 'busybox', Env: ['A="Spec":"@"'] },
      Networks: [{ Target }],
      ForceUpdate: 0,
    },
    Mode: { Replicated: { Replicas: 2 } },
    ...more,
  });
  commit(
    {
      op: 'create',
      table: 'network',
      object: {
        id: 'n1',
        meta,
        spec: {
          Name: 'front',
          Labels: {},
          Driver: 'overlay',
          Internal: false,
          Attachable: false,
          Ingress: false,
          Predefined: false,
        },
        allocation: { subnets: [{ subnet: '10.0.9.0/24', gateway: '10.0.9.1', vni: 4097 }], at },
      },
    },
    {
      op: 'create',
      table: 'service',
      object: {
        id: 's1',
        meta,
        name: 'web',
        revision: 1,
        endpoint: { revision: 0, ports: [], virtualIps: [] },
      },
    },
    {
      op: 'create',
      table: 'revision',
      object: { id: 's1.1', meta, serviceId: 's1', number: 1, spec: spec('web', 'n1', {}) },
    },
  );
});

test('texts are what the shapes say', () => {
  const odd = '"Spec":"@","NetworksAttachments":"@"';
  const status = { state: 'running' as const, at, message: odd, err: odd };
  const networks = [{ networkId: 'n1', addresses: ['10.0.9.5/24'] }];
  commit(
    task('t1', 1, { status: { state: 'new', at, message: 'created', err: '' } }),
    task('t2', 2, { status, networks }),
    task('t3', 3, {
      status: { ...status, container: { id: 'c', pid: 1, exitCode: 0 } },
      networks: [],
    }),
  );
  const { view } = state;
  const tasks = [...view.tasks.values()];
  const write = new TaskTexts().gather(view, tasks);
  // Twice: the second time from what was kept.
  for (let round = 0; round < 2; round += 1)
    expect(tasks.map(write)).toEqual(tasks.map((one) => JSON.stringify(taskShape(view, one))));
});

test('a text that was kept is made anew when the task, or a network it is in, has changed', () => {
  const networks = [{ networkId: 'n1', addresses: ['10.0.9.5/24'] }];
  const status = { state: 'running' as const, at, message: '', err: '' };
  commit(task('t1', 1, { status, networks }));
  const { view } = state;
  const texts = new TaskTexts();
  const shown = () => {
    const tasks = [...view.tasks.values()];
    const [text] = tasks.map(texts.gather(view, tasks));
    expect(text).toBe(JSON.stringify(tasks.map((one) => taskShape(view, one))[0]));
    return text;
  };
  const first = shown();
  const network = view.networks.get('n1');
  if (network === undefined) throw new Error('no network');
  const spec = { ...network.spec, Labels: { tier: 'front' } };
  commit({ op: 'update', table: 'network', object: { ...network, spec } });
  const second = shown();
  expect(second).not.toBe(first);
  const [one] = view.tasks.values();
  if (one === undefined) throw new Error('no task');
  const failed = { ...one.status, state: 'failed' as const };
  commit({ op: 'update', table: 'task', object: { ...one, status: failed } });
  expect(shown()).toContain('"State":"failed"');
});

test('what was gathered is written as it was, whatever becomes of it', () => {
  commit(task('t1', 1, {}));
  const { view } = state;
  const tasks = [...view.tasks.values()];
  const texts = new TaskTexts();
  const write = texts.gather(view, tasks);
  const before = tasks.map((one) => JSON.stringify(taskShape(view, one)));
  const [service] = view.services.values();
  const version = (one: { readonly meta: { readonly version: LogIndex } } | undefined) =>
    one?.meta.version ?? (0 as LogIndex);
  commit(
    { op: 'delete', table: 'task', id: 't1', version: version(tasks[0]) },
    { op: 'delete', table: 'service', id: 's1', version: version(service) },
  );
  expect(tasks.map(write)).toEqual(before);
  expect(view.tasks.size).toBe(0);
});

test('a task whose revision is gone shows that nothing is known of it', () => {
  commit(task('t1', 1, {}));
  const { view } = state;
  const [one] = view.tasks.values();
  if (one === undefined) throw new Error('no task');
  const lost = { ...one, revision: 9 };
  const [text = ''] = [lost].map(new TaskTexts().gather(view, [lost]));
  expect(text).toBe(JSON.stringify(taskShape(view, lost)));
  expect(JSON.parse(text)).toMatchObject({ Spec: { ForceUpdate: 0 } });
});

test('the network of published ports is listed before those of the spec', () => {
  const status = { state: 'running' as const, at, message: '', err: '' };
  const front = state.view.networks.get('n1');
  if (front === undefined) throw new Error('no network');
  const object = { ...front, id: 'mesh', spec: { ...front.spec, Name: 'mesh', Ingress: true } };
  const subnets = [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1', vni: 4096 }];
  commit({ op: 'create', table: 'network', object: { ...object, allocation: { subnets, at } } });
  const networks = [
    { networkId: 'n1', addresses: ['10.0.9.5/24'] },
    { networkId: 'mesh', addresses: ['10.0.0.5/24'] },
  ];
  commit(task('t1', 1, { status, networks }));
  const [one] = state.view.tasks.values();
  if (one === undefined) throw new Error('no task');
  const shown = taskShape(state.view, one).NetworksAttachments ?? [];
  expect(shown.map(({ Network }) => Network.Spec.Name)).toEqual(['mesh', 'front']);
});
