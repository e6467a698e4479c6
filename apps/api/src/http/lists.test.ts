import { type IncomingMessage, request } from 'node:http';
import { serviceShape, taskShape } from '@shoal/docker-api';
import type { Change, Task } from '@shoal/state';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkSite } from '../testing/fake-networks.ts';
import { atOnceMax } from './lists.ts';

const tasksMade = 3 * atOnceMax;
let site: NetworkSite;
let serviceId: string;

beforeAll(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
  serviceId = await site.serve('web', { Mode: { Replicated: { Replicas: tasksMade } } });
  const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
  const changes = Array.from({ length: tasksMade }, (_, at): Change => {
    const object: Task = {
      id: `t${String(at).padStart(24, '0')}`,
      meta,
      serviceId,
      slot: at + 1,
      nodeId: '',
      revision: 1,
      desired: 'running',
      status: {
        state: 'pending',
        at: meta.createdAt,
        message: at % 2 === 0 ? 'pending' : '"Spec":"@" \u2028é',
        err: '',
      },
    };
    return { op: 'create', table: 'task', object };
  });
  site.host.log.write(changes);
});
afterAll(() => site.close());

const expected = (): string => {
  const { view } = site;
  return `${JSON.stringify([...view.tasks.values()].map((task) => taskShape(view, task)))}\n`;
};

function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath: site.socket, path }, resolve).on('error', reject).end();
  });
}

test('a long list is what its items are', async () => {
  const { status, text, headers } = await site.ask('GET', '/tasks');
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('application/json');
  expect(text).toBe(expected());
});

test('a short list has its length', async () => {
  const filters = encodeURIComponent(JSON.stringify({ id: [`t${'0'.repeat(23)}`] }));
  const { headers, json } = await site.ask('GET', `/tasks?filters=${filters}`);
  expect(json).toHaveLength(10);
  expect(headers['content-length']).toBeDefined();
  const none = encodeURIComponent(JSON.stringify({ id: ['x'] }));
  expect((await site.ask('GET', `/tasks?filters=${none}`)).text).toBe('[]\n');
});

test('services are shown as they are', async () => {
  const { view } = site;
  const shapes = [...view.services.values()].map((service) =>
    serviceShape(view, service, { insertDefaults: false, status: true }),
  );
  const { text } = await site.ask('GET', '/services?status=true');
  expect(text).toBe(`${JSON.stringify(shapes)}\n`);
});

test('a refusal while a long list is gathered is a refusal', async () => {
  const filters = encodeURIComponent(JSON.stringify({ service: ['nothing'] }));
  expect((await site.ask('GET', `/tasks?filters=${filters}`)).status).toBe(404);
});

test('a list is of one moment, and its reader sets the pace; others are served meanwhile', async () => {
  const before = expected();
  const response = await open('/tasks');
  // Not read yet: what was written so far fills the buffers, and the rest waits.
  const { view } = site;
  const service = view.services.get(serviceId);
  if (service === undefined) throw new Error('no service');
  expect((await site.ask('GET', '/_ping')).status).toBe(200);
  const tasks = [...view.tasks.values()].map(({ id, meta }): Change => {
    return { op: 'delete', table: 'task', id, version: meta.version };
  });
  const { version } = service.meta;
  site.host.log.write([...tasks, { op: 'delete', table: 'service', id: serviceId, version }]);
  response.setEncoding('utf8');
  let text = '';
  for await (const piece of response) text += String(piece);
  expect(text).toBe(before);
  expect((await site.ask('GET', '/tasks')).text).toBe('[]\n');
});

test('a reader that goes away is forgotten', async () => {
  const response = await open('/services');
  response.destroy();
  expect((await site.ask('GET', '/_ping')).status).toBe(200);
});
