/**
 * Runs in the network namespace of one network, for a moment: binds the sockets of its addresses and
 * hands them to the resolver, whose namespace is the host's. A socket stays in the namespace that it
 * was made in. Arguments: port, addresses.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, isIPv6, type Server } from 'node:net';
import type { BoundMessage } from './bound-message.ts';

const [, , portText = '', ...addresses] = process.argv;
const port = Number(portText);

function udp(address: string, at: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind({ port: at, address }, () => resolve(socket));
  });
}

function tcp(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address, port }, () => resolve(server));
  });
}

function send(message: BoundMessage, handle?: Socket | Server): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, handle, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function hand(address: string): Promise<void> {
  try {
    const sockets = { udp: await udp(address, port), tcp: await tcp(address) };
    await send({ kind: 'udp', address }, sockets.udp);
    await send({ kind: 'tcp', address }, sockets.tcp);
    // By which the resolver asks itself.
    await send({ kind: 'probe', address }, await udp(address, 0));
  } catch (error) {
    await send({ kind: 'failed', address, reason: error instanceof Error ? error.message : '' });
  }
}

for (const address of addresses) await hand(address);
process.disconnect();
process.exit(0);
