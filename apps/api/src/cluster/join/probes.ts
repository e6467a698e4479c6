import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { formatHostPort, type HostPort } from '@shoal/runtime';

/** What the pre-flight asks of the network. */
export interface Probes {
  /** Opens a TCP connection and closes it again. */
  connect(to: HostPort, msMax: number): Promise<Connected>;
  /** Why nothing can listen there now; undefined when it can. */
  listen(protocol: 'tcp' | 'udp', at: HostPort): Promise<string | undefined>;
}

export type Connected =
  /** `from` is the address of this host that the kernel's routes chose. */
  | { readonly kind: 'connected'; readonly from: string }
  /** In the words of Go's dialer, which users of Docker know. */
  | { readonly kind: 'failed'; readonly reason: string };

export const systemProbes: Probes = { connect: connectOnce, listen: listenOnce };

function connectOnce(to: HostPort, msMax: number): Promise<Connected> {
  return new Promise((resolve) => {
    const socket = connect({ host: to.host, port: to.port, timeout: msMax });
    const end = (result: Connected): void => {
      socket.destroy();
      resolve(result);
    };
    const failed = (why: string): void => end({ kind: 'failed', reason: dialed(to, why) });
    socket.once('connect', () =>
      end({ kind: 'connected', from: plain(socket.localAddress ?? '') }),
    );
    socket.once('timeout', () => failed('i/o timeout'));
    socket.once('error', (error) => failed(goWords(error)));
  });
}

/** An IPv4 address that came by way of an IPv6 socket, without its wrapping. */
function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}

function dialed(to: HostPort, why: string): string {
  return `dial tcp ${formatHostPort(to)}: ${why}`;
}

function goWords(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connect: connection refused';
    case 'EHOSTUNREACH':
      return 'connect: no route to host';
    case 'ENETUNREACH':
      return 'connect: network is unreachable';
    case 'ETIMEDOUT':
      return 'i/o timeout';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'no such host';
    default:
      return error.message;
  }
}

function listenOnce(protocol: 'tcp' | 'udp', at: HostPort): Promise<string | undefined> {
  return protocol === 'tcp' ? listenTcp(at) : bindUdp(at);
}

function listenTcp({ host, port }: HostPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(whyNot(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function bindUdp({ host, port }: HostPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(whyNot(error));
    });
    socket.bind({ address: host, port, exclusive: true }, () =>
      socket.close(() => resolve(undefined)),
    );
  });
}

function whyNot(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return 'address already in use';
    case 'EADDRNOTAVAIL':
      return 'cannot assign requested address';
    case 'EACCES':
      return 'permission denied';
    default:
      return error.message;
  }
}
