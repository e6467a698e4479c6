import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type LinkCall, LinkError, linkPort } from '@shoal/link';
import { systemClock } from '@shoal/runtime';
import { type Node, newMeta, type Task } from '@shoal/state';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import { execId as execIdOf, execPlace } from './exec-id.ts';

const otherNode = 'node2';
const downNode = 'node3';
const ids = {
  web1: `aaaa${'1'.repeat(60)}`,
  web1Before: `aaaa${'2'.repeat(60)}`,
  web2: `bbbb${'1'.repeat(60)}`,
  web3: `cccc${'1'.repeat(60)}`,
  own: `dddd${'1'.repeat(60)}`,
  byHand: `eeee${'1'.repeat(60)}`,
  besideByHand: `eeee${'2'.repeat(60)}`,
} as const;
const execId = 'f'.repeat(64);

let site: FakeSite;
let agents: Server;
let here: string[];
let there: string[];
let calls: LinkCall[];
let isReachable = true;

/** Answers with what it was asked; knows some containers where it is the host's own. */
function echo(said: () => string[], known: Readonly<Record<string, object>> = {}): Server {
  const server = createServer((incoming, response) => {
    const url = incoming.url ?? '';
    said().push(`${incoming.method} ${url}`);
    response.setHeader('Api-Version', '1.41');
    response.setHeader('Content-Type', 'application/json');
    const exec = /\/exec\/([0-9a-f]+)\/json/.exec(url)?.[1];
    const named = /\/containers\/([^/]+)\/json/.exec(url)?.[1];
    const container = known[decodeURIComponent(named ?? '')];
    if (url.endsWith('/exec') && incoming.method === 'POST') {
      response.statusCode = 201;
      // In pieces, as a network may bring it.
      response.write(`{"Id": "${execId.slice(0, 10)}`);
      response.end(`${execId.slice(10)}"}`);
    } else if (exec !== undefined) {
      response.statusCode = exec === execId ? 200 : 404;
      const message = `No such exec instance: ${exec}`;
      response.end(JSON.stringify(exec === execId ? { ID: exec, ExitCode: 7 } : { message }));
    } else if (container !== undefined) response.end(JSON.stringify(container));
    else if (named !== undefined && said() === here) {
      response.statusCode = 404;
      response.end('{"message":"No such container"}');
    } else incoming.pipe(response);
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
    said().push(`UPGRADE ${incoming.url}`);
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    socket.pipe(socket);
  });
  return server;
}

function put(
  task: Pick<Task, 'id' | 'serviceId' | 'slot' | 'nodeId'>,
  container: string,
  state: Task['status']['state'],
): void {
  const object: Task = {
    ...task,
    meta: newMeta,
    revision: 1,
    desired: 'running',
    status: {
      state,
      at: systemClock.now(),
      message: '',
      err: '',
      ...(container === '' ? {} : { container: { id: container, pid: 0, exitCode: 0 } }),
    },
  };
  site.host.log.write([{ op: 'create', table: 'task', object }]);
}

function putNode(id: string, state: Node['status']['state'], addr: string): void {
  const object: Node = {
    id,
    meta: newMeta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: `${id}.example.com`,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: {},
      Engine: { EngineVersion: '20', Labels: {}, Plugins: [] },
      AdvertiseAddr: addr,
    } as unknown as Node['description'],
    status: { state, message: '', addr: '192.0.2.1', dispatcher: '' },
  };
  site.host.log.write([{ op: 'create', table: 'node', object }]);
}

async function serve(name: string, mode: object): Promise<string> {
  const spec = { Name: name, Mode: mode, TaskTemplate: { ContainerSpec: { Image: 'busybox' } } };
  const created = await site.ask('POST', '/services/create', spec);
  return (created.json as { ID: string }).ID;
}

beforeAll(async () => {
  here = [];
  there = [];
  calls = [];
  const byHand = { Id: ids.byHand, Name: '/by-hand' };
  const known = {
    [ids.byHand]: byHand,
    eeee: byHand,
    eeee1: byHand,
    'web.3': { Id: '9'.repeat(64), Name: '/web.3' },
  };
  site = new FakeSite(echo(() => here, known));
  agents = echo(() => there);
  await new Promise<void>((resolve) => agents.listen(0, '127.0.0.1', resolve));
  const address = agents.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  site.link = (_identity, call) => {
    calls.push(call);
    const { method, path, headers } = call;
    const to = isReachable ? { host: '127.0.0.1', port } : { socketPath: '/nowhere' };
    const sent = request({ ...to, method, path, headers });
    if (!isReachable) sent.destroy(new LinkError('the host at 10.0.0.2:7946 cannot be reached'));
    return sent;
  };
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  const [own] = site.host.log.view.nodes.values();
  const nodeId = own?.id ?? '';
  putNode(otherNode, 'ready', '10.0.0.2');
  putNode(downNode, 'down', '10.0.0.3');
  const web = await serve('web', { Replicated: { Replicas: 5 } });
  const all = await serve('all', { Global: {} });
  put({ id: 'task1before', serviceId: web, slot: 1, nodeId: otherNode }, ids.web1Before, 'failed');
  put({ id: 'task1', serviceId: web, slot: 1, nodeId: otherNode }, ids.web1, 'running');
  put({ id: 'task1next', serviceId: web, slot: 1, nodeId: otherNode }, '', 'assigned');
  put({ id: 'task2', serviceId: web, slot: 2, nodeId: downNode }, ids.web2, 'running');
  put({ id: 'task3', serviceId: web, slot: 3, nodeId: otherNode }, ids.web3, 'running');
  put({ id: 'task4', serviceId: web, slot: 4, nodeId }, ids.own, 'running');
  put({ id: 'task5', serviceId: web, slot: 5, nodeId: otherNode }, '', 'preparing');
  put({ id: 'task6', serviceId: all, slot: 0, nodeId: otherNode }, ids.besideByHand, 'running');
});
beforeEach(() => {
  here.length = 0;
  there.length = 0;
  calls.length = 0;
  isReachable = true;
});
afterAll(async () => {
  await site.close();
  agents.closeAllConnections();
  await new Promise<void>((resolve) => agents.close(() => resolve()));
});

describe('a container of another node is found by', () => {
  test.each([
    ['its id', ids.web1, ids.web1],
    ['the beginning of its id', 'aaaa1', ids.web1],
    ['its name', 'web.1.task1', ids.web1],
    ['its name as the engine writes it', '%2Fweb.1.task1', ids.web1],
    ['the name of one that has ended', 'web.1.task1before', ids.web1Before],
    ['the beginning of its task, as commands show it', 'web.1.task1b', ids.web1Before],
    ['service and slot: the newest that runs', 'web.1', ids.web1],
    ['service and node of a global service', `all.${otherNode}`, ids.besideByHand],
    ['service and hostname', `all.${otherNode}.example.com`, ids.besideByHand],
    ['its whole name by node', `all.${otherNode}.task6`, ids.besideByHand],
  ])('%s', async (_what, reference, id) => {
    const answer = await site.ask('GET', `/v1.43/containers/${reference}/logs?tail=5`);
    expect(answer.status).toBe(200);
    expect(there).toEqual([`GET /v1.43/containers/${id}/logs?tail=5`]);
    expect(calls[0]).toMatchObject({
      nodeId: otherNode,
      address: { host: '10.0.0.2', port: linkPort },
    });
  });
});

describe("this host's engine answers for", () => {
  test.each([
    ['its own of that very name', 'web.3'],
    ['its own of that very id', ids.byHand],
    ['its own by the beginning of an id that no other has', 'eeee1'],
    ['what nobody has', 'unknown'],
    ['what looks like a task and is none', 'web.9'],
    ['another service', 'Web.1'],
    ['too short a beginning', 'aaa'],
  ])('%s', async (_what, reference) => {
    await site.ask('GET', `/containers/${reference}/logs`);
    expect(here).toContain(`GET /containers/${reference}/logs`);
    expect(there).toEqual([]);
  });

  test('a task of its own, by service and slot', async () => {
    await site.ask('GET', '/containers/web.4/logs');
    expect(here).toContain(`GET /containers/${ids.own}/logs`);
  });

  test('lists and makes containers', async () => {
    await site.ask('GET', '/containers/json?all=1');
    expect(here).toEqual(['GET /containers/json?all=1']);
  });
});

describe('refused is', () => {
  test('what may be several, as the engine says it', async () => {
    for (const reference of ['aaaa', 'eeee']) {
      const answer = await site.ask('GET', `/containers/${reference}/json`);
      expect(answer.status).toBe(400);
      expect(answer.json).toEqual({
        message: `multiple IDs found with provided prefix: ${reference}`,
      });
    }
  });

  test('a node that is down, with its name and since when', async () => {
    const answer = await site.ask('POST', '/containers/web.2/exec', {});
    expect(answer.status).toBe(503);
    expect(answer.text).toMatch(/node node3\.example\.com \(node3\) is down since 20\d\d-.*Z;/);
    expect(calls).toEqual([]);
  });

  test('a node that does not answer', async () => {
    isReachable = false;
    const answer = await site.ask('GET', '/containers/web.1/json');
    expect(answer.status).toBe(503);
    expect(answer.text).toContain('node node2.example.com (node2) does not answer: the host at');
  });

  test('a task without container', async () => {
    const answer = await site.ask('GET', '/containers/web.5/json');
    expect(answer.status).toBe(404);
    expect(answer.text).toContain('its task web.5.task5 is preparing and has none');
  });

  test('what the swarm does itself', async () => {
    for (const [method, path] of [
      ['POST', '/containers/web.1/stop'],
      ['DELETE', '/containers/web.1?force=1'],
    ] as const) {
      const answer = await site.ask(method, path);
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('web.1.task1 runs on node node2.example.com (node2)');
    }
    expect(calls).toEqual([]);
  });
});

describe('an exec', () => {
  const onOther = execIdOf({ nodeId: otherNode, engineId: execId });

  test('is where its container is, for every manager and after every restart', async () => {
    const made = await site.ask('POST', '/v1.43/containers/web.1/exec', { Cmd: ['true'] });
    expect(made.json).toEqual({ Id: onOther });
    await site.ask('POST', `/v1.43/exec/${onOther}/resize?h=10&w=20`);
    const socket = connect({ path: site.socket, allowHalfOpen: true });
    const body = '{"Detach":false}';
    socket.end(
      `POST /v1.43/exec/${onOther}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: ${body.length}\r\n\r\n${body}typed`,
    );
    expect(await text(socket)).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n.*typed$/s);
    expect(there).toEqual([
      `POST /v1.43/containers/${ids.web1}/exec`,
      `POST /v1.43/exec/${execId}/resize?h=10&w=20`,
      `UPGRADE /v1.43/exec/${execId}/start`,
    ]);
  });

  test('is told of by the id that its maker got', async () => {
    const answer = await site.ask('GET', `/v1.43/exec/${onOther}/json`);
    expect(answer.json).toEqual({ ID: onOther, ExitCode: 7 });
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(answer.text)));
    const unknown = execIdOf({ nodeId: otherNode, engineId: '0'.repeat(64) });
    const missing = await site.ask('GET', `/exec/${unknown}/json`);
    expect(missing.status).toBe(404);
    expect(missing.json).toEqual({ message: `No such exec instance: ${unknown}` });
  });

  test('in a task of this host, named as the swarm does, is found by other managers too', async () => {
    const made = await site.ask('POST', '/containers/web.4/exec', { Cmd: ['true'] });
    const { Id } = made.json as { Id: string };
    expect(execPlace(Id)?.engineId).toBe(execId);
    expect(execPlace(Id)?.nodeId).toBe(site.host.log.view.tasks.get('task4')?.nodeId);
    await site.ask('POST', `/exec/${Id}/resize?h=1&w=2`);
    expect(here).toEqual([
      'GET /containers/web.4/json',
      `POST /containers/${ids.own}/exec`,
      `POST /exec/${execId}/resize?h=1&w=2`,
    ]);
  });

  test("of this host's engine is the engine's, byte for byte", async () => {
    const made = await site.ask('POST', `/containers/${ids.byHand}/exec`, { Cmd: ['true'] });
    expect(made.json).toEqual({ Id: execId });
    await site.ask('GET', `/exec/${execId}/json`);
    expect(here).toContain(`GET /exec/${execId}/json`);
    expect(there).toEqual([]);
  });

  test('of a node that is none is unknown, as the engine says it', async () => {
    for (const id of [execIdOf({ nodeId: 'gone', engineId: execId }), `${execId}fe`]) {
      const answer = await site.ask('GET', `/exec/${id}/json`);
      expect(answer.status).toBe(404);
      expect(answer.json).toEqual({ message: `No such exec instance: ${id}` });
    }
    const onDown = execIdOf({ nodeId: downNode, engineId: execId });
    expect((await site.ask('GET', `/exec/${onDown}/json`)).text).toContain('is down since');
  });
});
