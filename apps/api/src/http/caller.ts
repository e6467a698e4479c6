import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';

/** Of what a client's certificate calls it, characters. */
const nameCharsMax = 128;

/** Who asks for a change, for the log. */
export interface Caller {
  /** What they asked for, as people type it: `docker service create`. */
  readonly command: string;
  /** How this host knows them: `local socket`, `10.0.0.9`, `alice at 10.0.0.9`. */
  readonly client: string;
}

/** By connection, from its first moment: who has gone has no address, and no certificate. */
const clients = new WeakMap<Socket, string>();

/** Notes who is at the other end of a connection that has just come. */
export function noteClient(socket: Socket): void {
  clients.set(socket, clientOf(socket));
}

export function callerOf(request: FastifyRequest, command: string): Caller {
  const { socket } = request.raw;
  return { command, client: clients.get(socket) ?? clientOf(socket) };
}

/** Node.js does not say which process is at the other end of a unix socket. */
function clientOf(socket: Socket): string {
  const { remoteAddress } = socket;
  if (remoteAddress === undefined || remoteAddress === '') return 'local socket';
  const name = socket instanceof TLSSocket && socket.authorized ? nameIn(socket) : '';
  return name === '' ? remoteAddress : `${name} at ${remoteAddress}`;
}

/** The subject's common name, as the authority has written it. */
function nameIn(socket: TLSSocket): string {
  // Nothing without a certificate, whatever the types say; a list where there are several names.
  const certificate: { subject?: { CN?: unknown } } | null = socket.getPeerCertificate();
  const name = certificate?.subject?.CN;
  return typeof name === 'string' ? name.replace(/[\p{C}\p{Z}]/gu, ' ').slice(0, nameCharsMax) : '';
}
