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

export function callerOf(request: FastifyRequest, command: string): Caller {
  return { command, client: clientOf(request.raw.socket) };
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
  // An empty object without a certificate, whatever the types say; a list where there are several names.
  const { subject }: { subject?: { CN?: unknown } } = socket.getPeerCertificate();
  const name = subject?.CN;
  return typeof name === 'string' ? name.replace(/\p{C}/gu, '').slice(0, nameCharsMax) : '';
}
