import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { type Clock, errorMessage, type Logger } from '@shoal/runtime';
import { Relay, type RelayMetrics, type RelayTarget, relaySockets } from './relay.ts';

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
}

export interface HeldPort extends PublishedPort {
  /** The listener tells tasks of their clients in a header of the PROXY protocol. */
  readonly header?: boolean | undefined;
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
  hold(ports: readonly HeldPort[]): Promise<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

/** Connections that wait to be accepted. */
const backlogMax = 1_024;
/** Longest wait for connections that are passed on when the process ends, milliseconds. */
const drainMsMax = 2_000;

interface Held {
  close(): Promise<void>;
}

export interface ListeningPortsOptions {
  readonly relayTo: (port: number) => RelayTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RelayMetrics;
}

/**
 * The real one. What reaches a listener is what the kernel does not balance: clients of services that ask for
 * the PROXY protocol, and IPv6 clients of a network without IPv6. TCP connections of theirs are passed on, to
 * `relayTo`; others end.
 */
export function listeningPorts(options: ListeningPortsOptions): PortHolder {
  const { relayTo, clock, logger, metrics } = options;
  const held = new Map<string, Held>();
  const relay = new Relay({ target: relayTo, clock, metrics });
  /** Ports whose tasks are told of their clients. */
  let withHeader: ReadonlySet<number> = new Set();
  const pass = (client: TcpSocket, port: number): void =>
    relay.pass(client, port, withHeader.has(port));

  async function open({ protocol, port }: PublishedPort): Promise<Held> {
    if (protocol === 'tcp') return holdTcp(port, pass);
    if (protocol === 'udp') return holdUdp(port);
    // Node has no SCTP; the kernel's rules alone make the port work.
    return { close: () => Promise.resolve() };
  }

  return {
    async hold(ports) {
      const wanted = new Map(ports.map((port) => [portText(port), port]));
      const headed = ports.filter(({ protocol, header }) => protocol === 'tcp' && header === true);
      withHeader = new Set(headed.map(({ port }) => port));
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
      const closed = Promise.all(all.map((each) => each.close()));
      await relay.drain(drainMsMax);
      await closed;
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
  pass: (client: TcpSocket, port: number) => void,
): Promise<Held> {
  const server = await onAnyAddress(
    (host) =>
      new Promise<Server>((resolve, reject) => {
        const candidate = createServer(relaySockets, (client) => pass(client, port));
        candidate.once('error', reject);
        candidate.listen({ host, port, exclusive: true, backlog: backlogMax }, () =>
          resolve(candidate),
        );
      }),
  );
  return {
    // Connections that are open go on; the listener is gone at once.
    close: () =>
      new Promise((resolve) => {
        server.close();
        resolve();
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
