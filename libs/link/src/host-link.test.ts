import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { strangersPerAddressMax } from './limits.ts';
import { refusal } from './refusal.ts';
import { type FakeNode, FakeNodes } from './testing/fake-nodes.ts';
import { clientOf, LinkedHost } from './testing/hosts.ts';

let cluster: FakeNodes;
let manager: FakeNode;
let worker: FakeNode;
let hostNode: FakeNode;
let host: LinkedHost;
let manyBytes: Buffer;
/** As TLS begins. */
const handshake = Buffer.from([0x16]);

beforeAll(async () => {
  cluster = await FakeNodes.create();
  manager = await cluster.node('manager');
  worker = await cluster.node('worker');
  hostNode = await cluster.node('worker');
  manyBytes = Buffer.alloc(8 << 20, 'shoal');
});

beforeEach(async () => {
  host = await new LinkedHost(hostNode).start();
  host.serve('echo', echo, ['manager', 'worker']);
  host.serve('inside', echo, ['manager']);
});
afterEach(() => host.close());

const echo = {
  request(
    peer: { readonly nodeId: string },
    request: IncomingMessage,
    response: NodeJS.WritableStream,
  ) {
    response.write(`${peer.nodeId} ${request.method} ${request.url} `);
    request.pipe(response);
  },
  upgrade(_peer: unknown, request: IncomingMessage, socket: Duplex, head: Buffer) {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    if (request.url === '/echo/much') {
      socket.write(manyBytes);
      socket.resume().on('end', () => socket.end('all of it'));
      return;
    }
    const heard = [head];
    socket.on('data', (chunk: Buffer) => heard.push(chunk));
    socket.on('end', () => socket.end(`heard ${Buffer.concat(heard).length}`));
  },
};

function call(
  by: FakeNode,
  { method = 'GET', path = '/echo/x', headers = {}, nodeId = host.node.nodeId } = {},
): ClientRequest {
  return clientOf(by).request({ address: host.address, nodeId, method, path, headers });
}

async function answered(
  request: ClientRequest,
  body = '',
): Promise<{ status: number; text: string }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
  return { status: answer.statusCode ?? 0, text: await text(answer) };
}

function upgraded(path: string): Promise<Duplex> {
  const headers = { connection: 'Upgrade', upgrade: 'tcp' };
  const request = call(manager, { method: 'POST', path, headers });
  return new Promise((resolve, reject) => {
    request.once('upgrade', (_answer, socket, head) => {
      socket.unshift(head);
      resolve(socket);
    });
    request.once('response', (answer) => reject(new Error(`status ${answer.statusCode}`)));
    request.once('error', reject);
    request.end();
  });
}

async function eventually(condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('not in time');
    await nextTurn();
  }
}

describe('who may call', () => {
  test('a node of the cluster, which the handler knows by its certificate', async () => {
    const { text: said } = await answered(call(worker, { method: 'PUT' }), 'body');
    expect(said).toBe(`${worker.nodeId} PUT /echo/x body`);
  });

  test('a path with a version of the API is of the same route', async () => {
    const { status } = await answered(call(manager, { path: '/v1.43/inside/x?y=1' }));
    expect(status).toBe(200);
  });

  test('not a worker where only managers may', async () => {
    const { status, text: said } = await answered(call(worker, { path: '/inside/x' }));
    expect(status).toBe(403);
    expect(said).toContain(`${worker.nodeId} is a worker; /inside is for a manager`);
  });

  test('not a node of another cluster', async () => {
    const stranger = await (await FakeNodes.create()).node('manager');
    await expect(answered(call(stranger))).rejects.toThrow('cannot be reached');
    // It trusts the host all the same: the host refuses.
    const trusting = { ...stranger, caCertificate: cluster.ca.certificate };
    const request = clientOf(trusting, cluster.clusterId).request({
      ...{ address: host.address, nodeId: host.node.nodeId },
      ...{ method: 'GET', path: '/echo/x', headers: {} },
    });
    await expect(answered(request)).rejects.toThrow();
    expect(host.refused).toContain('not-proven');
  });

  test('not who has no certificate', async () => {
    const socket = connect({
      ...host.address,
      ca: cluster.ca.certificate,
      checkServerIdentity: () => undefined,
    });
    socket.write('GET /echo/x HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect(text(socket)).rejects.toThrow();
    expect(host.refused).toContain('not-proven');
  });

  test('what no route answers is refused', async () => {
    expect((await answered(call(manager, { path: '/other' }))).status).toBe(404);
  });
});

test('a connection ends with its answer', async () => {
  await answered(call(worker, { method: 'PUT' }), 'body');
  await answered(call(worker));
  await eventually(() => host.open === 0);
});

test('the caller reaches the very node it means, or nobody', async () => {
  const request = call(manager, { nodeId: manager.nodeId });
  await expect(answered(request, 'secret')).rejects.toThrow(`is not node ${manager.nodeId}`);
});

describe('who takes too long', () => {
  let hurried: LinkedHost;
  beforeEach(async () => {
    hurried = await new LinkedHost(host.node, 200).start();
  });
  afterEach(() => hurried.close());

  test('to prove anything is cut off', async () => {
    const socket = hurried.knock();
    socket.write(handshake);
    expect(await buffer(socket)).toHaveLength(0);
    expect(hurried.refused).toEqual(['late']);
  });

  test('to ask for anything is cut off too', async () => {
    const { caCertificate: ca, certificate: cert, key } = manager;
    const own = { ca, cert, key, checkServerIdentity: () => undefined };
    expect(await buffer(connect({ ...hurried.address, ...own }))).toHaveLength(0);
    expect(hurried.refused).toEqual(['late']);
  });
});

test('strangers are bounded: the oldest gives way, and who proves itself gets in', async () => {
  const max = strangersPerAddressMax;
  await Promise.all(Array.from({ length: max }, () => answered(call(manager))));
  const strangers: Socket[] = [];
  const ended: number[] = [];
  for (let at = 0; at < max; at += 1) {
    const socket = host.knock();
    strangers.push(socket);
    // Its own half stays open.
    socket.on('error', () => undefined).on('end', () => ended.push(at));
    socket.resume();
    socket.write(handshake);
    await eventually(() => host.taken === max + at + 1);
  }
  expect(host.refused).toEqual([]);
  expect((await answered(call(manager))).status).toBe(200);
  expect(host.refused[0]).toBe('too-many');
  await eventually(() => ended.length > 0);
  expect(ended).toEqual([0]);
  for (const socket of strangers) socket.destroy();
});

describe('renewal', () => {
  test('counts for the next connection, at both ends', async () => {
    const before = host.node.certificate;
    host.proof.renew(await cluster.node('worker', host.node.nodeId));
    const {
      caCertificate: ca,
      certificate: cert,
      key,
    } = await cluster.node('manager', manager.nodeId);
    const seen = await new Promise<string>((resolve, reject) => {
      const socket = connect({
        ...host.address,
        ca,
        cert,
        key,
        checkServerIdentity: () => undefined,
      });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().raw.toString('base64'));
        socket.destroy();
      });
    });
    expect(before.replaceAll('\n', '')).not.toContain(seen);
    expect((await answered(call(manager))).status).toBe(200);
  });
});

describe('another protocol', () => {
  test('the end of what is said is not the end of what is heard', async () => {
    const socket = await upgraded('/echo/x');
    socket.end(manyBytes);
    expect(await text(socket)).toBe(`heard ${manyBytes.length}`);
  });

  test('nothing is lost of what comes after the end of what was said', async () => {
    const socket = await upgraded('/echo/much');
    let heard = 0;
    let last = '';
    socket.on('data', (chunk: Buffer) => {
      if (heard === 0) setImmediate(() => socket.end());
      heard += chunk.length;
      last = chunk.subarray(-9).toString();
    });
    await new Promise<void>((resolve) => socket.once('close', resolve));
    expect({ heard, last }).toEqual({ heard: manyBytes.length + 9, last: 'all of it' });
  });

  test('a handler that knows none refuses in one answer', async () => {
    host.serve('plain', { request: echo.request }, ['manager']);
    await expect(upgraded('/plain/x')).rejects.toThrow('status 400');
  });
});

test('an answer arrives though the host has not read the whole body', async () => {
  host.serve('full', { request: (_peer, _request, response) => refusal(response, 507, 'full') }, [
    'worker',
  ]);
  const request = call(worker, { method: 'PUT', path: '/full/x' });
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  request.end(manyBytes);
  expect(JSON.parse(await text(await answer))).toEqual({ message: 'full' });
});

test('closing ends what is under way', async () => {
  const socket = await upgraded('/echo/x');
  host.link.close();
  expect(await text(socket)).toBe('');
  socket.destroy();
});
