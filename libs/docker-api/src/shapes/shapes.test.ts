import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, type Service, State, type Task, type TaskTemplate } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { parseFilters } from '../filters.ts';
import { resolveNode, resolveService, resolveTask } from '../resolve.ts';
import { nodeFilter, nodeShape } from './node.ts';
import { serviceFilter, serviceShape } from './service.ts';
import { infoSwarmShape } from './swarm.ts';
import { shownTasks, taskShape } from './task.ts';

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

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

beforeEach(() => {
  state = new State();
  index = 0;
  const template = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 };
  commit(
    {
      op: 'create',
      table: 'node',
      object: {
        id: 'n1',
        meta,
        spec: { Labels: {}, Role: 'manager', Availability: 'active' },
        role: 'manager',
        status: { state: 'unknown', message: '', addr: '10.0.0.1', dispatcher: '' },
        manager: { raftId: 1, addr: '10.0.0.1:2377' },
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
      object: {
        id: 's1.1',
        meta,
        serviceId: 's1',
        number: 1,
        spec: {
          Name: 'web',
          Labels: { tier: 'a' },
          TaskTemplate: template,
          Mode: { Replicated: { Replicas: 2 } },
        },
      },
    },
  );
  commit({
    op: 'create',
    table: 'task',
    object: {
      id: 't1',
      meta,
      serviceId: 's1',
      slot: 1,
      nodeId: 'n1',
      revision: 1,
      desired: 'running',
      status: {
        state: 'running',
        at,
        message: 'started',
        err: '',
        container: { id: 'c1', pid: 7, exitCode: 0 },
      },
    },
  });
});

const head = (id: string, version: number) => ({
  ID: id,
  Version: { Index: version },
  CreatedAt: '2026-11-21T02:57:47.12Z',
  UpdatedAt: '2026-11-21T02:57:47.12Z',
});
const spec = {
  Name: 'web',
  Labels: { tier: 'a' },
  TaskTemplate: {
    ContainerSpec: { Image: 'busybox', Isolation: 'default' },
    ForceUpdate: 0,
    Runtime: 'container',
  },
  Mode: { Replicated: { Replicas: 2 } },
};

describe('shapes', () => {
  test('of a node leave out what Docker does not know', () => {
    const node = state.view.nodes.values().next().value;
    if (node === undefined) throw new Error('no node');
    const description = {
      Hostname: 'a',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: {},
      Engine: { EngineVersion: '28.2.2', Plugins: [] },
      Images: ['busybox:latest'],
    };
    const quorum = { leader: undefined, reachability: new Map() };
    const { Description } = nodeShape({ ...node, description }, quorum);
    expect(Object.keys(Description)).toEqual([
      ...['Hostname', 'Platform', 'Resources', 'Engine', 'TLSInfo'],
    ]);
  });

  test('of a task that gave way say to whom', () => {
    const task = state.view.tasks.values().next().value;
    if (task === undefined) throw new Error('no task');
    const displaced = { by: 'x', at, reason: 'gave way to task db.1' };
    const shape = taskShape(state.view, {
      ...task,
      displaced,
      status: { ...task.status, err: '' },
    });
    expect(shape.Status.Err).toBe('gave way to task db.1');
  });

  test('a service', () => {
    const service = resolveService(state.view, 'web');
    const shape = serviceShape(state.view, service, { insertDefaults: false, status: true });
    expect(plain(shape)).toEqual({
      ...head('s1', 1),
      Spec: spec,
      Endpoint: { Spec: {} },
      ServiceStatus: { RunningTasks: 1, DesiredTasks: 2, CompletedTasks: 0 },
    });
  });

  test.each([
    ['unknown', 1],
    ['ready', 1],
    ['disconnected', 1],
    ['down', 0],
  ] as const)('a service counts a task that runs on a node that is %s: %i', (nodeState, count) => {
    const node = state.view.nodes.get('n1');
    if (node === undefined) throw new Error('no node');
    const status = { ...node.status, state: nodeState };
    commit({ op: 'update', table: 'node', object: { ...node, status } });
    const options = { insertDefaults: false, status: true };
    const { ServiceStatus } = serviceShape(state.view, resolveService(state.view, 'web'), options);
    expect(ServiceStatus).toEqual({ RunningTasks: count, DesiredTasks: 2, CompletedTasks: 0 });
  });

  test('a task', () => {
    const { Runtime: _runtime, ...template } = spec.TaskTemplate;
    expect(plain(taskShape(state.view, resolveTask(state.view, 'web.1.t1')))).toEqual({
      ...head('t1', 2),
      Labels: {},
      Spec: template,
      ServiceID: 's1',
      Slot: 1,
      NodeID: 'n1',
      Status: {
        Timestamp: '2026-11-21T02:57:47.12Z',
        State: 'running',
        Message: 'started',
        ContainerStatus: { ContainerID: 'c1', PID: 7, ExitCode: 0 },
        PortStatus: {},
      },
      DesiredState: 'running',
      Volumes: null,
    });
  });

  test('a manager whose agent has not come yet', () => {
    const quorum = { leader: 'n1', reachability: new Map([['n1', 'reachable' as const]]) };
    expect(plain(nodeShape(resolveNode(state.view, 'n1'), quorum))).toEqual({
      ...head('n1', 1),
      Spec: { Labels: {}, Role: 'manager', Availability: 'active' },
      Description: { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} },
      Status: { State: 'unknown', Addr: '10.0.0.1' },
      ManagerStatus: { Leader: true, Reachability: 'reachable', Addr: '10.0.0.1:2377' },
    });
  });

  test('an inactive host', () => {
    expect(infoSwarmShape({ kind: 'inactive' })).toEqual({
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    });
  });
});

describe('jobs', () => {
  const template = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 };
  const Mode = { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 3 } };
  const jobStatus = { iteration: 1, revision: 1, lastExecution: at };
  const LastExecution = '2026-11-21T02:57:47.12Z';

  function createJob(Labels: Record<string, string>, service: Partial<Service>): void {
    const endpoint = { revision: 0, ports: [], virtualIps: [] };
    const spec = { Name: 'job', Labels, TaskTemplate: template, Mode };
    const object = { id: 's2', meta, name: 'job', revision: 1, endpoint, ...service };
    commit(
      { op: 'create', table: 'service', object },
      {
        op: 'create',
        table: 'revision',
        object: { id: 's2.1', meta, serviceId: 's2', number: 1, spec },
      },
    );
  }

  function createTask(id: string, slot: number, task: Partial<Task>): void {
    const status = { state: 'complete', at, message: 'finished', err: '' } as const;
    const base = { id, meta, serviceId: 's2', slot, nodeId: 'n1', revision: 1, jobIteration: 1 };
    const object: Task = { ...base, desired: 'complete', status, ...task };
    commit({ op: 'create', table: 'task', object });
  }

  function shapeOf(): ReturnType<typeof serviceShape> {
    const options = { insertDefaults: false, status: true };
    return serviceShape(state.view, resolveService(state.view, 'job'), options);
  }

  test('a job says which run it is at, and how far that is', () => {
    createJob({}, { jobStatus });
    createTask('j1', 0, {});
    createTask('j2', 1, { status: { state: 'running', at, message: 'started', err: '' } });
    createTask('j3', 2, { jobIteration: 0 });
    expect(plain(shapeOf())).toMatchObject({
      JobStatus: { JobIteration: { Index: 1 }, LastExecution },
      ServiceStatus: { RunningTasks: 1, DesiredTasks: 2, CompletedTasks: 1 },
    });
    expect(shapeOf().UpdateStatus).toBeUndefined();
  });

  test('the first run and the first slot are 0, which is left out', () => {
    createJob({}, { jobStatus: { ...jobStatus, iteration: 0 } });
    createTask('j1', 0, { jobIteration: 0 });
    expect(plain(shapeOf())).toMatchObject({ JobStatus: { JobIteration: {}, LastExecution } });
    const shape = plain(taskShape(state.view, resolveTask(state.view, 'j1')));
    expect(shape).toMatchObject({ JobIteration: {}, DesiredState: 'complete' });
    expect(shape).not.toHaveProperty('Slot');
  });

  test('one that waits for its schedule says so where clients look for the end of an update', () => {
    createJob({ 'shoal.cron': '0 3 * * *' }, {});
    expect(plain(shapeOf())).toMatchObject({
      JobStatus: { JobIteration: {}, LastExecution: '0001-01-01T00:00:00Z' },
      UpdateStatus: {
        State: 'completed',
        Message: 'waits for its schedule, next run at 2026-11-21T03:00:00.000Z',
      },
    });
  });

  test('one with a schedule says nothing of the kind while it runs', () => {
    createJob({ 'shoal.cron': '0 3 * * *' }, { jobStatus });
    expect(shapeOf().UpdateStatus).toBeUndefined();
  });
});

describe('filters', () => {
  const tasks = (filters: string) => shownTasks(state.view, parseFilters(filters)).length;
  const services = (filters: string) =>
    [...state.view.services.values()].filter(serviceFilter(state.view, parseFilters(filters)))
      .length;

  test.each([
    ['{"service":{"web":true}}', 1],
    ['{"service":["s1"],"_up-to-date":["true"]}', 1],
    ['{"desired-state":["shutdown"]}', 0],
    ['{"node":["n1"]}', 1],
    ['{"name":["web.1"]}', 1],
    ['{"label":["tier=b"]}', 0],
    ['{"id":["t"]}', 1],
  ])('tasks %s', (filters, count) => {
    expect(tasks(filters)).toBe(count);
  });

  test.each([
    ['{"name":["we"]}', 1],
    ['{"label":["tier"]}', 1],
    ['{"label":{"tier=a":true}}', 1],
    ['{"mode":["global"]}', 0],
    ['{"mode":["nonsense"]}', 0],
  ])('services %s', (filters, count) => {
    expect(services(filters)).toBe(count);
  });

  test('tasks are up to date until what they are made of changes', () => {
    const move = (number: number, change: Partial<TaskTemplate>): void => {
      const service = state.view.services.get('s1');
      const revision = state.view.revisions.of('s1', 1);
      if (service === undefined || revision === undefined) throw new Error('the scene is not set');
      const TaskTemplate = { ...revision.spec.TaskTemplate, ...change };
      const spec = { ...revision.spec, TaskTemplate };
      const next = { ...revision, id: `s1.${number}`, number, spec };
      commit(
        { op: 'create', table: 'revision', object: next },
        { op: 'update', table: 'service', object: { ...service, revision: number } },
      );
    };
    const all = tasks('{"service":["s1"]}');
    expect(all).toBeGreaterThan(0);
    // A change of scale or labels makes a revision too, but none of its tasks is made anew.
    move(2, {});
    expect(tasks('{"_up-to-date":["true"]}')).toBe(all);
    move(3, { ForceUpdate: 1 });
    expect(tasks('{"_up-to-date":["true"]}')).toBe(0);
  });

  test('refusals', () => {
    expect(() => tasks('{"service":["nope"]}')).toThrow('service nope not found');
    expect(() => tasks('{"desired-state":["bogus"]}')).toThrow(
      "Invalid desired-state filter: 'bogus'",
    );
    const nodes = (text: string) => nodeFilter(parseFilters(text));
    expect(() => nodes('{"role":["x"]}')).toThrow("Invalid role filter: 'x'");
    expect(() => nodes('{"membership":["x"]}')).toThrow("Invalid membership filter: 'x'");
    expect(() => parseFilters('not json')).toThrow('invalid filter');
    expect(() => parseFilters('{"bogus":["1"]}', ['id'])).toThrow("invalid filter 'bogus'");
  });
});
