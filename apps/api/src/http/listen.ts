import { chmod, chown, readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import type { HostPort } from '@shoal/runtime';
import { freeSocketPath } from '@shoal/runtime/process';
import type { ApiServer } from './server.ts';

/** Whoever may open the socket rules the host: its owner, and the group `docker` where there is one. */
const socketMode = 0o660;
/** Connections that wait to be accepted: a thousand clients may come at once. The kernel may allow fewer. */
const backlogMax = 4_096;

/**
 * Listens on a unix socket. One that a dead process left behind is taken over.
 * @throws when another process listens there.
 */
export async function listenUnix(server: Server, path: string): Promise<void> {
  await freeSocketPath(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog: backlogMax }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  await chmod(path, socketMode);
  const group = await groupId('docker');
  if (group !== undefined) await chown(path, process.getuid?.() ?? 0, group).catch(() => undefined);
}

/** A second door to the same server. */
export async function listenTcp(
  { server }: ApiServer,
  { host, port }: HostPort,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const door = createServer({ allowHalfOpen: true }, (socket) => server.emit('connection', socket));
  await new Promise<void>((resolve, reject) => {
    door.once('error', reject);
    door.listen({ host, port }, resolve);
  });
  const address = door.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () => new Promise((resolve) => door.close(() => resolve())),
  };
}

async function groupId(name: string): Promise<number | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const line = groups.split('\n').find((entry) => entry.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  return Number.isSafeInteger(id) ? id : undefined;
}
