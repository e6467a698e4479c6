import { type ClientRequest, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { DecisionsRequest } from '@shoal/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
});
afterEach(() => site.close());

async function create(name: string, rest: object = {}): Promise<string> {
  const body = { Name: name, TaskTemplate: { ContainerSpec: { Image: 'busybox' } }, ...rest };
  const answer = await site.ask('POST', '/services/create', body);
  expect(answer.status).toBe(201);
  return (answer.json as { readonly ID: string }).ID;
}

const plan = (body: object) => site.ask('POST', '/shoal/v1/plan', body);

describe('plans', () => {
  test('of scaling by name, without changing anything', async () => {
    await create('web', { Mode: { Replicated: { Replicas: 1 } } });
    const before = site.host.log.replica().view.index;
    const answer = await plan({ kind: 'scale', service: 'web', replicas: 3 });
    expect(answer).toMatchObject({
      status: 200,
      json: { complete: true, hypothesis: { kind: 'scale', replicas: 3 }, index: before },
    });
    expect(site.host.log.replica().view.index).toBe(before);
  });

  test.each<[string, object, number, string]>([
    ['no kind', {}, 400, 'a plan cannot be made of this'],
    ['an unknown kind', { kind: 'pray' }, 400, 'a plan cannot be made of this'],
    ['too many replicas', { kind: 'scale', service: 'web', replicas: 1e9 }, 400, 'replicas'],
    ['something more', { kind: 'rebalance', force: true }, 400, 'force'],
    ['an unknown node', { kind: 'drain', node: 'nobody' }, 404, 'node nobody not found'],
    ['an unknown service', { kind: 'scale', service: 'nil', replicas: 1 }, 404, 'nil not found'],
  ])('of %s are refused', async (_name, body, status, words) => {
    const answer = await plan(body);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(words);
  });

  test('end with the client that asked, and make room for others', async () => {
    await create('web', { Mode: { Replicated: { Replicas: 1 } } });
    const short = () => plan({ kind: 'scale', service: 'web', replicas: 2 });
    const clients = [1, 2].map((): ClientRequest => {
      const headers = { 'content-type': 'application/json' };
      const at = { socketPath: site.socket, path: '/shoal/v1/plan', method: 'POST', headers };
      const call = request(at).on('error', () => undefined);
      call.end(JSON.stringify({ kind: 'scale', service: 'web', replicas: 1_000_000 }));
      return call;
    });
    const soon = { timeout: 5_000, interval: 20 };
    await expect.poll(async () => (await short()).status, soon).toBe(503);
    for (const client of clients) client.destroy();
    await expect.poll(async () => (await short()).status, soon).toBe(200);
  });

  test('leave no connection behind when they are given up', async () => {
    await create('web', { Mode: { Replicated: { Replicas: 1 } } });
    const body = JSON.stringify({ kind: 'scale', service: 'web', replicas: 1_000_000 });
    const head = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    const client = connect({ path: site.socket, allowHalfOpen: true });
    client.end(`POST /shoal/v1/plan HTTP/1.1\r\n${head}\r\n\r\n${body}`);
    expect(await text(client)).toBe('');
  });

  test('of a global service cannot scale it', async () => {
    await create('agent', { Mode: { Global: {} } });
    const answer = await plan({ kind: 'scale', service: 'agent', replicas: 2 });
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.text).toContain('not replicated');
  });
});

test('survivability is kept, and says when the state has moved on', async () => {
  const first = await site.ask('GET', '/shoal/v1/survivability');
  const { index } = site.host.log.replica().view;
  expect(first).toMatchObject({ status: 200, json: { index, current: true, nodes: [] } });
  await create('web');
  const second = await site.ask('GET', '/shoal/v1/survivability');
  expect(second).toMatchObject({ status: 200, json: { index, current: false } });
});

describe('settings', () => {
  const put = (body: object) => site.ask('PUT', '/shoal/v1/settings', body);
  const values = (json: unknown): unknown =>
    Object.fromEntries(
      (json as { settings: { name: string; value: unknown }[] }).settings
        .filter(({ value }) => value !== null)
        .map(({ name, value }) => [name, value]),
    );

  test('are labels of the cluster, and null takes one back', async () => {
    await put({ 'shoal.rebalance': 'true', 'shoal.rank': 'free' });
    const swarm = (await site.ask('GET', '/swarm')).json;
    expect(swarm).toMatchObject({ Spec: { Labels: { 'shoal.rebalance': 'true' } } });
    expect((await put({ 'shoal.rebalance': null })).status).toBe(200);
    const now = await site.ask('GET', '/shoal/v1/settings');
    expect(values(now.json)).toEqual({ 'shoal.rank': 'free' });
  });

  test.each([
    [{ 'shoal.rebalance': 'maybe' }, 'is invalid: must be true or false'],
    [{ 'shoal.rebalance.moves-per-hour': '0' }, 'must be a whole number'],
    [{ 'shoal.unknown': 'x' }, 'there is no setting shoal.unknown'],
    [{ other: 'x' }, 'there is no setting other'],
    [{ 'shoal.rank': 7 }, 'settings are an object of names and texts'],
  ])('%j is refused', async (body, words) => {
    const answer = await put(body);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(words);
    expect(values((await site.ask('GET', '/shoal/v1/settings')).json)).toEqual({});
  });
});

describe('explanations', () => {
  const requests: DecisionsRequest[] = [];
  const record = {
    serviceId: '',
    revision: 1,
    at: 1_000,
    placed: [{ taskId: 't', nodeId: 'n9' }],
    waiting: 0,
    err: '',
    filters: [],
    candidates: [],
    nodes: 1,
  };

  beforeEach(() => {
    requests.length = 0;
    for (const [at, address] of ['10.0.0.1:1', '10.0.0.2:2', ''].entries()) {
      const object = {
        id: `scheduler@n/${at}`,
        meta: { version: 0, createdAt: 0, updatedAt: 0 },
        stage: 'scheduler',
        nodeId: 'n',
        address,
      };
      site.host.log.write([{ op: 'create', table: 'lease', object } as never]);
    }
    site.explain = {
      ask: async (_identity, address, request) => {
        requests.push(request);
        if (address === '10.0.0.2:2') return { kind: 'silent', reason: 'away' };
        const decisions = [3, 9, 5].map((logIndex) => ({ ...record, logIndex }));
        return { kind: 'told', answer: { logIndex: 9, decisions, look: undefined } };
      },
    };
  });

  test('of a service hold what every scheduler told, newest first, and who did not', async () => {
    const id = await create('web');
    const answer = await site.ask('GET', '/shoal/v1/services/web/explain');
    expect(answer).toMatchObject({
      status: 200,
      json: {
        service: { id, name: 'web', revision: 1, update: '' },
        tasks: [],
        decisions: [
          { logIndex: 9, placed: [{ hostname: 'n9' }] },
          { logIndex: 5 },
          { logIndex: 3 },
        ],
        now: null,
        schedulers: [
          { answered: true, reason: '' },
          { answered: false, reason: 'away' },
          { answered: false, reason: 'it serves no records' },
        ],
      },
    });
    expect(requests).toMatchObject([{ serviceId: id, look: true }, {}]);
  });

  test('of a task tell the chain of its slot', async () => {
    const serviceId = await create('web');
    const task = (id: string, createdAt: number, status: object, rest: object = {}): void => {
      const object = {
        id,
        meta: { version: 0, createdAt, updatedAt: createdAt },
        serviceId,
        slot: 1,
        nodeId: '',
        revision: 1,
        desired: 'running',
        status: { at: createdAt, message: '', err: '', ...status },
        ...rest,
      };
      site.host.log.write([{ op: 'create', table: 'task', object } as never]);
    };
    const container = { id: 'c', pid: 0, exitCode: 137 };
    task('first', 1, { state: 'failed', err: 'out of memory', container }, { desired: 'shutdown' });
    task('second', 2, { state: 'pending', err: 'no suitable node' });
    const answer = await site.ask('GET', '/shoal/v1/tasks/second/explain');
    expect(answer).toMatchObject({
      status: 200,
      json: { task: { state: 'pending', waitsFor: 'no suitable node' } },
    });
    const { chain } = answer.json as { readonly chain: readonly { readonly text: string }[] };
    const text = chain.map((link) => link.text).join('\n');
    expect(text).toContain('second replaces first, which ended as failed (exit code 137)');
    expect(text).toContain('out of memory');
    expect(text).toContain('second waits: no suitable node');
    expect(requests[0]).toMatchObject({ taskIds: ['second'] });
    const atPlace = await site.ask('GET', '/shoal/v1/tasks/web.1/explain');
    expect(atPlace.json).toMatchObject({ task: { id: 'second' } });
    expect((await site.ask('GET', '/shoal/v1/tasks/web.2/explain')).status).toBe(404);
  });

  test('of what is not there are refused', async () => {
    for (const kind of ['tasks', 'services'])
      expect((await site.ask('GET', `/shoal/v1/${kind}/nothing/explain`)).status).toBe(404);
  });
});
