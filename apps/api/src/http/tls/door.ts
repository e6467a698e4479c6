import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Clock, Logger, Timer } from '@shoal/runtime';
import type { Certificates, TlsFiles } from './certificates.ts';
import { followCertificates } from './follow.ts';

/** Longest wait for the end of a handshake, milliseconds. */
const handshakeMsMax = 30_000;
/** Connections that have not shown who they are; then the oldest gives way. */
const strangersMax = 1_024;

/** What Go's server takes for HTTP, and what it says then. */
const plainHttp = /^(?:GET \/|HEAD |POST |PUT \/|OPTIO)/;
const plainHttpAnswer =
  'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';

/** Certificates that were read, and where they came from. */
export interface TlsProtection {
  readonly files: TlsFiles;
  readonly certificates: Certificates;
}

/** A connection before the end of its handshake. */
interface Stranger {
  readonly socket: Socket;
  readonly late: Timer;
}

/**
 * Makes TLS connections of those that somebody else accepted. Where there is an authority, who has no certificate of
 * it does not get through. Certificates replaced on disk count for every handshake from then on.
 */
export class TlsDoor {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #enter: (socket: TLSSocket) => void;
  /** Never listens; it is given its connections. */
  readonly #tls: TlsServer;
  readonly #unfollow: () => void;
  readonly #strangers = new Map<string, Stranger>();
  #closed = false;

  constructor(options: {
    readonly protection: TlsProtection;
    readonly clock: Clock;
    readonly logger: Logger;
    /** Is handed each connection that got through. */
    readonly enter: (socket: TLSSocket) => void;
  }) {
    const { protection, clock, logger } = options;
    const { files, certificates } = protection;
    this.#clock = clock;
    this.#logger = logger;
    this.#enter = options.enter;
    const isVerifying = files.tlscacert !== undefined;
    this.#tls = createServer({
      ...contextOf(certificates),
      requestCert: isVerifying,
      rejectUnauthorized: isVerifying,
    });
    this.#tls.on('secureConnection', (socket) => this.#through(socket));
    this.#tls.on('tlsClientError', (error, socket) => this.#refused(error, socket));
    this.#unfollow = followCertificates(files, certificates, { clock, logger }, (next) =>
      this.#tls.setSecureContext(contextOf(next)),
    );
  }

  /** Takes a connection on which nothing has been read. */
  accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const key = keyOf(socket);
    if (key === undefined || this.#closed) {
      socket.destroy();
      return;
    }
    this.#makeRoom();
    const late = this.#clock.after(handshakeMsMax, () => socket.destroy());
    const stranger = { socket, late };
    this.#strangers.set(key, stranger);
    socket.once('close', () => this.#left(key, stranger));
    // Who ends before the first word, as probes of ports do, has nothing to say.
    const ended = (): unknown => socket.end();
    socket.once('end', ended);
    socket.once('data', (first: Buffer) => {
      if (plainHttp.test(first.toString('latin1'))) {
        // What else it says is read and dropped: closing on a client that writes would cost it the answer.
        socket.end(plainHttpAnswer).resume();
        return;
      }
      socket.off('end', ended);
      socket.pause();
      socket.unshift(first);
      this.#tls.emit('connection', socket);
    });
  }

  /** Ends handshakes under way, and looks at no files any more. Who is through stays. */
  close(): void {
    this.#closed = true;
    this.#unfollow();
    for (const [key, stranger] of this.#strangers) this.#turnAway(key, stranger);
  }

  #makeRoom(): void {
    if (this.#strangers.size < strangersMax) return;
    const [oldest] = this.#strangers;
    if (oldest !== undefined) this.#turnAway(...oldest);
  }

  #turnAway(key: string, stranger: Stranger): void {
    this.#left(key, stranger);
    stranger.socket.destroy();
  }

  #through(socket: TLSSocket): void {
    const key = keyOf(socket) ?? '';
    const stranger = this.#strangers.get(key);
    if (stranger === undefined) {
      socket.destroy();
      return;
    }
    this.#left(key, stranger);
    this.#enter(socket);
  }

  #refused(error: Error, socket: TLSSocket): void {
    // It is the code of what is wrong with the client's certificate, where that was the reason.
    const problem: unknown = socket.authorizationError ?? undefined;
    const code = 'code' in error ? error.code : error.message;
    this.#logger.info({ from: socket.remoteAddress, code: problem ?? code }, 'tls_client_refused');
    socket.destroy();
  }

  #left(key: string, stranger: Stranger): void {
    stranger.late.cancel();
    // Its ports may be another one's by then.
    if (this.#strangers.get(key) === stranger) this.#strangers.delete(key);
  }
}

/** Given anew with each certificate: whatever is not named here falls back to what Node.js was started with. */
function contextOf({ cert, key, ca }: Certificates) {
  return { cert, key, ca, minVersion: 'TLSv1.2' } as const;
}

/** Names a connection and the TLS socket made of it alike; undefined when it is gone already. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
