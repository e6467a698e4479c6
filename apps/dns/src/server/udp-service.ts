import type { RemoteInfo, Socket } from 'node:dgram';
import type { Origin } from './resolver.ts';
import type { Serve } from './serve.ts';

/** Replies that wait for room in the kernel, bytes; beyond them replies are dropped, as UDP may. */
const sendQueueBytesMax = 1024 * 1024;
/** Replies after which it is looked at again how many wait: each look is a call into the kernel's library. */
const repliesPerLook = 16;
/** For bursts while the process does something else, bytes. */
const receiveBufferBytes = 1024 * 1024;

/** Answers what comes in on a socket. Gives back how it is closed. */
export function serveUdp(socket: Socket, networkId: string, serve: Serve): () => void {
  let closed = false;
  let replies = 0;
  let isFull = false;
  const reply = (answer: Buffer | undefined, from: RemoteInfo): void => {
    if (answer === undefined || closed) return;
    if (isFull || replies % repliesPerLook === 0) {
      isFull = socket.getSendQueueSize() > sendQueueBytesMax;
    }
    replies += 1;
    if (isFull) return;
    // Without a callback: a client that is gone is no error of ours.
    socket.send(answer, from.port, from.address);
  };
  const receive = (packet: Buffer, from: RemoteInfo): void => {
    // Whoever makes packets of his own can write it; nothing can be sent there, and `send` throws.
    if (from.port === 0) return;
    const origin: Origin = { networkId, address: withoutZone(from.address), transport: 'udp' };
    const answer = serve(packet, origin);
    if (answer instanceof Promise) void answer.then((late) => reply(late, from));
    else reply(answer, from);
  };
  try {
    socket.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // Then it is as long as the kernel says.
  }
  socket.on('message', receive);
  return () => {
    closed = true;
    socket.close();
  };
}

/** Link-local addresses come with the name of a device. */
export function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}
