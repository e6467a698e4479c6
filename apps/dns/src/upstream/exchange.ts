import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock, HostPort } from '@shoal/runtime';
import { tcpBytesMax } from '../wire/protocol.ts';

export type Exchanged<T> =
  | { readonly kind: 'answer'; readonly answer: T }
  | { readonly kind: 'timeout' }
  /** Nobody listens there, or there is no way. */
  | { readonly kind: 'unreachable' };

/** Makes of a packet an answer, or undefined: not the one that is waited for. */
export type Accept<T> = (packet: Buffer) => T | undefined;

/** One question to one server. Port: 53 upstreams in production, a simulated network in tests. */
export interface Exchange {
  udp<T>(server: HostPort, packet: Buffer, accept: Accept<T>, ms: number): Promise<Exchanged<T>>;
  tcp<T>(server: HostPort, packet: Buffer, accept: Accept<T>, ms: number): Promise<Exchanged<T>>;
}

/** From the network namespace of this process, which is the host's. */
export function hostExchange(clock: Clock): Exchange {
  return {
    udp: (...question) => exchangeUdp(clock, ...question),
    tcp: (...question) => exchangeTcp(clock, ...question),
  };
}

/**
 * A socket of its own for each question, on a port that the kernel draws: whoever wants to forge an
 * answer has to guess it beside the id. Connected, so that only the server is heard.
 */
function exchangeUdp<T>(
  clock: Clock,
  { host, port }: HostPort,
  packet: Buffer,
  accept: Accept<T>,
  ms: number,
): Promise<Exchanged<T>> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    let over = false;
    const end = (result: Exchanged<T>): void => {
      if (over) return;
      over = true;
      timer.cancel();
      socket.close();
      resolve(result);
    };
    const timer = clock.after(ms, () => end({ kind: 'timeout' }));
    socket.on('error', () => end({ kind: 'unreachable' }));
    socket.on('message', (message) => {
      const answer = accept(message);
      if (answer !== undefined) end({ kind: 'answer', answer });
    });
    // Not as an argument of `connect`: that one is called for failures, too, which then are no `error`.
    socket.on('connect', () => {
      if (over) return;
      socket.send(packet, (error) => {
        if (error !== null) end({ kind: 'unreachable' });
      });
    });
    socket.connect(port, host);
  });
}

function exchangeTcp<T>(
  clock: Clock,
  { host, port }: HostPort,
  packet: Buffer,
  accept: Accept<T>,
  ms: number,
): Promise<Exchanged<T>> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    const end = (result: Exchanged<T>): void => {
      timer.cancel();
      socket.destroy();
      resolve(result);
    };
    const timer = clock.after(ms, () => end({ kind: 'timeout' }));
    let received = Buffer.alloc(0);
    socket.on('error', () => end({ kind: 'unreachable' }));
    socket.on('end', () => end({ kind: 'unreachable' }));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const wanted = received.length < 2 ? tcpBytesMax : received.readUInt16BE(0);
      if (received.length < wanted + 2) return;
      const answer = accept(received.subarray(2, wanted + 2));
      end(answer === undefined ? { kind: 'unreachable' } : { kind: 'answer', answer });
    });
    const framed = Buffer.allocUnsafe(packet.length + 2);
    framed.writeUInt16BE(packet.length, 0);
    packet.copy(framed, 2);
    socket.write(framed);
  });
}
