import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { LogStream, type LogSubscription } from '@shoal/proto';
import { newId, systemClock, systemRandom } from '@shoal/runtime';
import { type Node, newMeta, type Task } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import type { LogListener, LogSource } from './log-source.ts';

interface Asked {
  readonly address: string;
  readonly subscription: LogSubscription;
  readonly listener: LogListener;
}

let site: FakeSite;
let asked: Asked[];
let serviceId: string;
let nodeId: string;

const fakeSource: LogSource = {
  subscribe(_identity, address, subscription, listener) {
    asked.push({ address, subscription, listener });
    return { pause: () => undefined, resume: () => undefined, cancel: () => undefined };
  },
};

function addTask(id: string): void {
  const object: Task = {
    id,
    meta: newMeta,
    serviceId,
    slot: 1,
    nodeId,
    revision: 1,
    desired: 'running',
    status: { state: 'running', at: systemClock.now(), message: 'started', err: '' },
  };
  site.host.log.write([{ op: 'create', table: 'task', object }]);
}

beforeEach(async () => {
  asked = [];
  site = new FakeSite();
  await site.start(fakeSource);
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  const [node] = site.host.log.view.nodes.values();
  if (node === undefined) throw new Error('no node');
  nodeId = node.id;
  const service = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } } };
  const created = await site.ask('POST', '/services/create', service);
  serviceId = (created.json as { ID: string }).ID;
});
afterEach(() => site.close());

function dispatcherHolds(): void {
  const id = 'dispatcher@n/0';
  const held: Node | undefined = site.host.log.view.nodes.get(nodeId);
  if (held === undefined) throw new Error('no node');
  site.host.log.write(
    [
      {
        op: 'create',
        table: 'lease',
        object: { id, meta: newMeta, stage: 'dispatcher', nodeId, address: '127.0.0.1:2378' },
      },
      {
        op: 'update',
        table: 'node',
        object: { ...held, status: { ...held.status, state: 'ready', dispatcher: id } },
      },
    ],
    'system',
  );
}

const line = (taskId: string, text: string) => ({
  taskId,
  nodeId,
  stream: LogStream.STDOUT,
  time: { seconds: 1, nanos: 2 },
  data: Buffer.from(text),
  attributes: '',
});

test('lines come framed, with where they come from', async () => {
  dispatcherHolds();
  const taskId = newId(systemRandom);
  addTask(taskId);
  const answer = site.ask('GET', '/v1.50/services/web/logs?stdout=1&details=1&tail=5');
  await expect.poll(() => asked.length).toBe(1);
  const [first] = asked;
  expect(first).toMatchObject({
    address: '127.0.0.1:2378',
    subscription: { taskIds: [taskId], tail: 5, follow: false, stdout: true, stderr: true },
  });
  const message = {
    subscriptionId: 'x',
    lines: [line(taskId, 'hello\n')],
    gaps: [],
    end: undefined,
  };
  first?.listener.lines(message);
  first?.listener.end('');
  const { headers, text } = await answer;
  expect(headers['content-type']).toBe('application/vnd.docker.multiplexed-stream');
  expect(text).toContain(
    `com.docker.swarm.node.id=${nodeId},com.docker.swarm.service.id=${serviceId},com.docker.swarm.task.id=${taskId} hello\n`,
  );
});

test('a node that nobody holds is named in a warning', async () => {
  addTask(newId(systemRandom));
  const { text } = await site.ask('GET', '/services/web/logs?stdout=1&stderr=1');
  expect(text).toContain(
    `warning: incomplete log stream. some logs could not be retrieved for the following reasons: node ${nodeId} is not available\n`,
  );
  expect(asked).toEqual([]);
});

test('no stream chosen, no such service', async () => {
  expect(await site.ask('GET', '/services/web/logs')).toMatchObject({
    status: 500,
    json: { message: 'Bad parameters: you must choose at least one stream' },
  });
  expect(await site.ask('GET', '/services/nope/logs?stdout=1')).toMatchObject({ status: 404 });
});

test('a client that left before its stream begins is followed for nobody', async () => {
  addTask(newId(systemRandom));
  dispatcherHolds();
  const { standing } = site.host;
  if (standing.kind !== 'manager') throw new Error('no manager');
  const { replica } = standing.manager;
  let go = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let waiting = 0;
  const catchUp = async () => {
    waiting += 1;
    await held;
    return replica.catchUp();
  };
  const slow = { ...standing.manager, replica: { ...replica, catchUp } };
  site.host.standing = { kind: 'manager', manager: slow };
  const path = '/services/web/logs?stdout=1&follow=1';
  const call = request({ socketPath: site.socket, path }).on('error', () => undefined);
  call.end();
  await expect.poll(() => waiting).toBe(1);
  call.destroy();
  // What comes later is answered later: by then it is known that the client left.
  await site.ask('GET', '/_ping');
  const stays = site.ask('GET', '/services/web/logs?stdout=1&tail=1');
  await expect.poll(() => waiting).toBe(2);
  go();
  await expect.poll(() => asked.length).toBe(1);
  expect(asked[0]?.subscription.tail).toBe(1);
  asked[0]?.listener.end('');
  await stays;
});

test('a log that is not followed is for a client that says no more, too; one that is followed ends', async () => {
  addTask(newId(systemRandom));
  dispatcherHolds();
  const said = (follow: number): Socket => {
    const socket = connect({ path: site.socket, allowHalfOpen: true });
    socket.write(`GET /services/web/logs?stdout=1&follow=${follow} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return socket;
  };
  const whole = said(0).end();
  await expect.poll(() => asked.length).toBe(1);
  asked[0]?.listener.end('');
  expect(await text(whole)).toMatch(/^HTTP\/1.1 200 .*\r\n0\r\n\r\n$/s);
  const followed = said(1);
  await expect.poll(() => asked.length).toBe(2);
  expect(await text(followed.end())).toMatch(/^HTTP\/1.1 200 .*\r\n0\r\n\r\n$/s);
});
