import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { silentLogger, systemClock } from '@shoal/runtime';
import { freePort } from '@shoal/runtime/testing';
import { afterEach, expect, test } from 'vitest';
import { noMetrics } from '../testing/no-metrics.ts';
import { listeningPorts, type PortHolder } from './ports.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listen(host: string, port = 0): Promise<Server> {
  const server = createServer((client) => client.end('task\n'));
  server.listen({ host, port });
  await once(server, 'listening');
  closing.push(() => server.close());
  return server;
}

function holder(relayTo = 9): PortHolder {
  const made = listeningPorts({
    relayTo: () => ({ host: '127.0.0.1', port: relayTo }),
    ...{ clock: systemClock, logger: silentLogger, metrics: noMetrics },
  });
  closing.push(() => made.close());
  return made;
}

const tcp = (port: number) => ({ protocol: 'tcp', port }) as const;

async function isTaken(port: number): Promise<boolean> {
  const server = createServer();
  const outcome = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(true));
    server.once('listening', () => server.close(() => resolve(false)));
  });
  server.listen({ port, exclusive: true });
  return outcome;
}

test('published ports are held until they are no longer published', async () => {
  const [ports, port] = [holder(), await freePort('::')];
  expect(await ports.hold([tcp(port), { protocol: 'udp', port }])).toEqual(new Map());
  expect(await isTaken(port)).toBe(true);
  const socket = createSocket('udp4');
  const refused = once(socket, 'error');
  socket.bind({ port, exclusive: true });
  expect((await refused)[0]).toMatchObject({ code: 'EADDRINUSE' });
  socket.close();
  await ports.hold([]);
  expect(await isTaken(port)).toBe(false);
});

test('a port that another program has is told, and taken once it is free', async () => {
  const other = await listen('127.0.0.1');
  const { port } = other.address() as AddressInfo;
  const ports = holder();
  const refused = await ports.hold([tcp(port)]);
  expect([...refused.values()]).toEqual([
    `port ${port}/tcp is not published on this host: another program on this host has it`,
  ]);
  other.close();
  await once(other, 'close');
  expect(await ports.hold([tcp(port)])).toEqual(new Map());
});

test('what the kernel does not balance is passed on', async () => {
  const task = await listen('127.0.0.1');
  const [ports, port] = [holder((task.address() as AddressInfo).port), await freePort('::')];
  await ports.hold([tcp(port)]);
  const client = connect({ host: '::1', port });
  const [said] = await once(client, 'data');
  expect(String(said)).toBe('task\n');
  await once(client, 'close');
});

test('where nobody is behind it, a connection ends at once', async () => {
  const [ports, port] = [holder(await freePort('::')), await freePort('::')];
  await ports.hold([tcp(port)]);
  const client = connect({ host: '127.0.0.1', port });
  const [error] = await once(client, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  expect(client.bytesRead).toBe(0);
});
