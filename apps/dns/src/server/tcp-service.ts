import type { Server, Socket } from 'node:net';
import { type Clock, ConnectionPlaces, type Timer } from '@shoal/runtime';
import type { Origin } from './resolver.ts';
import type { Serve } from './serve.ts';
import { withoutZone } from './udp-service.ts';

/** Connections at once for each address that is listened on, and of each client; then its oldest gives way. */
const limits = { provedMax: 0, strangersMax: 256, strangersPerAddressMax: 32 };
/** Longest pause of a client (RFC 7766, 6.2.3), milliseconds. */
const idleMs = 10_000;
/** Queries are short; longer ones are none. */
const queryBytesMax = 4_096;
/** Replies that a client does not read, bytes; then it is let go. */
const unreadBytesMax = 256 * 1024;

/** Answers what comes in over connections. Gives back how it is closed. */
export function serveTcp(
  server: Server,
  networkId: string,
  serve: Serve,
  clock: Clock,
): () => void {
  const open = new Set<Socket>();
  const places = new ConnectionPlaces<Socket>(limits);
  server.on('connection', (socket) => {
    open.add(socket);
    const address = withoutZone(socket.remoteAddress ?? '');
    places.begun(socket, address)?.destroy();
    socket.on('close', () => {
      open.delete(socket);
      places.ended(socket);
    });
    converse(socket, { networkId, address, transport: 'tcp' }, serve, clock);
  });
  return () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
}

/** Queries of one connection, answered one after the other. */
function converse(socket: Socket, origin: Origin, serve: Serve, clock: Clock): void {
  let received = Buffer.alloc(0);
  let answering = false;
  let idle: Timer | undefined;
  const rest = (): void => {
    idle?.cancel();
    idle = clock.after(idleMs, () => socket.destroy());
  };
  const next = (): Buffer | undefined => {
    if (received.length < 2) return undefined;
    const length = received.readUInt16BE(0);
    // Of no query nothing would ever be taken off what has come.
    if (length === 0 || length > queryBytesMax) socket.destroy();
    if (socket.destroyed || received.length < length + 2) return undefined;
    const packet = received.subarray(2, length + 2);
    received = received.subarray(length + 2);
    return packet;
  };
  const work = async (): Promise<void> => {
    answering = true;
    for (let packet = next(); packet !== undefined && !socket.destroyed; packet = next()) {
      const answer = await serve(packet, origin);
      if (answer === undefined || socket.writableLength > unreadBytesMax) socket.destroy();
      else if (!socket.destroyed) socket.write(framed(answer));
    }
    answering = false;
    if (!socket.destroyed) socket.resume();
  };
  rest();
  socket.on('error', () => socket.destroy());
  socket.on('close', () => idle?.cancel());
  socket.on('data', (chunk) => {
    rest();
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    // What the client sends meanwhile waits in its own kernel.
    socket.pause();
    if (!answering) void work();
  });
}

function framed(answer: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(answer.length + 2);
  bytes.writeUInt16BE(answer.length, 0);
  answer.copy(bytes, 2);
  return bytes;
}
