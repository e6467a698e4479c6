import { chmod, chown, readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { type Clock, formatHostPort, type HostPort, isLoopback, type Logger } from '@shoal/runtime';
import { freeSocketPath } from '@shoal/runtime/process';
import { TlsDoor, type TlsProtection } from './tls/door.ts';

/** Whoever may open the socket rules the host: its owner, and the group `docker` where there is one. */
const socketMode = 0o660;
/** Connections that wait to be accepted: a thousand clients may come at once. The kernel may allow fewer. */
const backlogMax = 4_096;
/** A client that fell silent is asked for a sign of life after this, as by Go's server, milliseconds. */
const keepAliveMs = 15_000;

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

export interface TcpOptions {
  readonly at: HostPort;
  /** Without it whoever reaches the port is served. */
  readonly protection: TlsProtection | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A second door to the same server. */
export async function listenTcp(
  server: Server,
  options: TcpOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { at, protection } = options;
  const enter = (socket: Socket): void => void server.emit('connection', socket);
  const guard = protection && new TlsDoor({ ...options, protection, enter });
  const door = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs },
    (socket) => (guard === undefined ? enter(socket) : guard.accept(socket)),
  );
  await new Promise<void>((resolve, reject) => {
    door.once('error', reject);
    door.listen({ host: at.host, port: at.port, backlog: backlogMax }, resolve);
  });
  warnOfStrangers(options);
  const address = door.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : at.port,
    close: () => {
      guard?.close();
      return new Promise((resolve) => door.close(() => resolve()));
    },
  };
}

/** As dockerd does: who may give orders to an engine is root on its host. */
function warnOfStrangers({ at, protection, logger }: TcpOptions): void {
  if (protection?.files.tlscacert !== undefined || isLoopback(at.host)) return;
  const reason =
    'without --tlsverify this port gives root on this host to everybody who can reach it';
  logger.warn({ tcp: formatHostPort(at), reason }, 'tcp_unprotected');
}

async function groupId(name: string): Promise<number | undefined> {
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  const line = groups.split('\n').find((entry) => entry.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  return Number.isSafeInteger(id) ? id : undefined;
}
