import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from '@shoal/link/proxy';
import { type Logger, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { SwarmEvents } from '../../../events/swarm-events.ts';
import { FakeHost } from '../../../testing/fake-host.ts';
import { fakeLogs } from '../../../testing/fake-logs.ts';
import { listenTcp, listenUnix } from '../../listen.ts';
import { type ApiServer, createApiServer } from '../../server.ts';
import { readCertificates, type TlsFiles } from '../certificates.ts';
import { type Credentials, TestAuthority, writeTlsFiles } from './authority.ts';
import { FakeTimers } from './fake-timers.ts';

/** Nobody answers for it in these tests. */
const nobody = async () => ({ kind: 'silent', reason: 'no scheduler in this test' }) as const;

/** The whole server behind a port with TLS, in front of an engine that the test plays. */
export class ProtectedSite {
  readonly directory = mkdtempSync(join(tmpdir(), 'shoal-api-tls-'));
  readonly timers = new FakeTimers();
  /** The names of events and what they tell, as they were logged. */
  readonly logged: (readonly [string, object])[] = [];
  readonly authority: TestAuthority;
  /** What a client may come with. */
  readonly client: Credentials;
  readonly files: TlsFiles & { readonly tlscacert: string };
  readonly #engine: Server;
  #server: ApiServer | undefined;
  #door: Awaited<ReturnType<typeof listenTcp>> | undefined;
  #isClosed = false;

  private constructor(
    authority: TestAuthority,
    credentials: { readonly server: Credentials; readonly client: Credentials },
    fakeEngine: Server,
  ) {
    this.authority = authority;
    this.client = credentials.client;
    this.files = writeTlsFiles(this.directory, credentials.server, authority);
    this.#engine = fakeEngine;
  }

  static async start(isVerifying = true, fakeEngine = echoingEngine()): Promise<ProtectedSite> {
    const authority = await TestAuthority.create();
    const [server, client] = [await authority.issue(), await authority.issue()];
    const site = new ProtectedSite(authority, { server, client }, fakeEngine);
    await site.#start(isVerifying);
    return site;
  }

  async #start(isVerifying: boolean): Promise<void> {
    const path = join(this.directory, 'engine.sock');
    await new Promise<void>((resolve) => this.#engine.listen(path, resolve));
    const events = new SwarmEvents();
    const context = {
      host: new FakeHost(events),
      engine: new Engine(`unix://${path}`, { kind: 'unix', path }),
      events,
      logs: fakeLogs(
        {
          subscribe: () => {
            throw new Error('no logs in this test');
          },
        },
        () => false,
      ),
      explain: { ask: nobody },
      attach: async () => ({ kind: 'refused', problem: 'no agent in this test' }) as const,
      link: undefined,
      dataDir: this.directory,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    };
    this.#server = await createApiServer(context, { observe: () => undefined });
    await listenUnix(this.#server.server, join(this.directory, 'docker.sock'));
    const files = isVerifying ? this.files : { ...this.files, tlscacert: undefined };
    const read = await readCertificates(files);
    if (read.kind === 'refused') throw new Error(read.message);
    this.#door = await listenTcp(this.#server.server, {
      at: { host: '127.0.0.1', port: 0 },
      protection: { files, certificates: read.certificates },
      clock: this.timers.clock,
      logger: this.#logger,
    });
  }

  get port(): number {
    return this.#door?.port ?? 0;
  }

  /** In the order in which the process does it. */
  async close(graceMs = 0): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closed = this.#door?.close();
    await this.#server?.close(graceMs);
    await closed;
    this.#engine.closeAllConnections();
    await new Promise<void>((resolve) => this.#engine.close(() => resolve()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #logger(): Logger {
    const note = (fields: object, event: string): void => void this.logged.push([event, fields]);
    return { ...silentLogger, info: note, warn: note };
  }
}

/**
 * Echoes bodies, streams without end, and tunnels on upgrades: there it greets, and says what it heard once its
 * client has said all. On `attach` it says all at once instead, and listens on.
 */
export function echoingEngine(heard: (text: string) => void = () => undefined): Server {
  const server = createServer((incoming, response) => {
    const url = incoming.url ?? '';
    if (url === '/_ping' || url === '/version') {
      response.setHeader('Api-Version', '1.41').end('{"MinAPIVersion":"1.40"}');
      return;
    }
    if (url.includes('/stats')) {
      response.write('{"first":1}\n');
      response.once('close', () => heard('left'));
      return;
    }
    incoming.pipe(response);
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nready ');
    const isAttach = incoming.url?.includes('/attach') === true;
    if (isAttach) socket.end('all said');
    const pieces: Buffer[] = [head];
    socket.on('data', (chunk: Buffer) => pieces.push(chunk));
    socket.on('end', () => {
      const all = Buffer.concat(pieces);
      heard(all.toString('latin1'));
      if (!isAttach) socket.end(Buffer.concat([Buffer.from('heard '), all]));
    });
  });
  return server;
}
