import { connect, type Socket } from 'node:net';
import { waitsOf } from './held-up.ts';
import { HttpConnection } from './http-connection.ts';

/** Opened at once; more would meet the bound of the socket's queue. */
const batch = 200;

/**
 * p99 of `path`, milliseconds, while so many connections say nothing, and every tenth of them has begun a body
 * that it does not end.
 */
export async function p99BesideIdle(
  socket: string,
  path: string,
  count: number,
  durationMs: number,
): Promise<number> {
  const idle: Socket[] = [];
  const slow = 'POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{';
  try {
    while (idle.length < count) {
      const opened = await Promise.all(Array.from({ length: batch }, () => open(socket)));
      for (const [at, one] of opened.entries()) if (at % 10 === 0) one.write(slow);
      idle.push(...opened);
    }
    const connection = await HttpConnection.open(socket);
    const { p99Ms } = await waitsOf(connection, path, durationMs);
    connection.close();
    return p99Ms;
  } finally {
    for (const one of idle) one.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
