import { createSocket, type Socket } from 'node:dgram';
import { connect, createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { errorMessage, type Logger } from '@shoal/runtime';

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

export function portText({ protocol, port }: PublishedPort): string {
  return `${port}/${protocol}`;
}

/** Holds published ports on the host, so that no other program takes them and `ss` shows them. */
export interface PortHolder {
  /**
   * Holds these ports and no others; gives back those that it does not have, with the reason as one
   * sentence. Calling it again tries those anew.
   */
  hold(ports: readonly PublishedPort[]): Promise<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

/** Connections passed on at once; the kernel takes all that it can balance, so these are few. */
const relayedMax = 1_024;

/** Where the ingress network is reached without the rules that led the connection here. */
export interface RelayTarget {
  readonly host: string;
  readonly port: number;
}

interface Held {
  close(): Promise<void>;
}

/**
 * The real one. What reaches a listener is what the kernel did not balance: IPv6 clients of a network
 * without IPv6. TCP connections of theirs are passed on, to `relayTo`, the others end.
 */
export function listeningPorts(relayTo: (port: number) => RelayTarget, logger: Logger): PortHolder {
  const held = new Map<string, Held>();
  let relayed = 0;

  function relay(client: TcpSocket, port: number): void {
    if (relayed >= relayedMax) {
      client.destroy();
      return;
    }
    relayed += 1;
    const task = connect(relayTo(port));
    const end = (): void => {
      client.destroy();
      task.destroy();
    };
    client.on('error', end).on('close', () => {
      relayed -= 1;
      end();
    });
    task.on('error', end).on('close', end);
    client.pipe(task).pipe(client);
  }

  async function open({ protocol, port }: PublishedPort): Promise<Held> {
    if (protocol === 'tcp') return holdTcp(port, relay);
    if (protocol === 'udp') return holdUdp(port);
    // Node has no SCTP; the kernel's rules alone make the port work.
    return { close: () => Promise.resolve() };
  }

  return {
    async hold(ports) {
      const wanted = new Map(ports.map((port) => [portText(port), port]));
      for (const [key, each] of held) {
        if (wanted.has(key)) continue;
        held.delete(key);
        await each.close();
      }
      const refused = new Map<string, string>();
      for (const [key, port] of wanted) {
        if (held.has(key)) continue;
        try {
          held.set(key, await open(port));
        } catch (error) {
          const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
          const why = taken ? 'another program on this host has it' : errorMessage(error);
          logger.warn({ port: key, reason: why }, 'port_not_held');
          refused.set(key, `port ${key} is not published on this host: ${why}`);
        }
      }
      return refused;
    },
    async close() {
      const all = [...held.values()];
      held.clear();
      await Promise.all(all.map((each) => each.close()));
    },
  };
}

/** Both families where the kernel has both. */
const anyAddresses = ['::', '0.0.0.0'] as const;
const withoutIpv6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

async function onAnyAddress<T>(open: (address: string) => Promise<T>): Promise<T> {
  try {
    return await open(anyAddresses[0]);
  } catch (error) {
    if (!withoutIpv6.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return open(anyAddresses[1]);
  }
}

async function holdTcp(
  port: number,
  relay: (client: TcpSocket, port: number) => void,
): Promise<Held> {
  const clients = new Set<TcpSocket>();
  const server = await onAnyAddress(
    (host) =>
      new Promise<Server>((resolve, reject) => {
        const candidate = createServer((client) => {
          clients.add(client);
          client.on('close', () => clients.delete(client));
          relay(client, port);
        });
        candidate.once('error', reject);
        candidate.listen({ host, port, exclusive: true }, () => resolve(candidate));
      }),
  );
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}

async function holdUdp(port: number): Promise<Held> {
  const socket = await onAnyAddress(
    (address) =>
      new Promise<Socket>((resolve, reject) => {
        const candidate = createSocket({ type: address === '::' ? 'udp6' : 'udp4' });
        candidate.once('error', reject);
        candidate.bind({ address, port, exclusive: true }, () => resolve(candidate));
      }),
  );
  return { close: () => new Promise((resolve) => socket.close(() => resolve())) };
}
