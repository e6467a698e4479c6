import { rm } from 'node:fs/promises';
import { connect } from 'node:net';

/** Somebody listens on the socket that was wanted. */
export class SocketServedError extends Error {
  override readonly name = 'SocketServedError';

  constructor(path: string) {
    super(`another process serves ${path}`);
  }
}

/**
 * Takes away a unix socket that a dead process left behind: its path is free to listen on.
 * @throws {SocketServedError} when a process listens there.
 */
export async function freeSocketPath(path: string): Promise<void> {
  if (await answers(path)) throw new SocketServedError(path);
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Its queue may be full: then somebody listens, too.
    socket.once('error', (error) => resolve('code' in error && error.code === 'EAGAIN'));
  });
}
