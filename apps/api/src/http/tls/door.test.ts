import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../testing/hosts.ts';
import { TestAuthority, writeTlsFiles } from './testing/authority.ts';
import { echoingEngine, ProtectedSite } from './testing/protected-site.ts';

let site: ProtectedSite;
const sockets: { destroy(): unknown }[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await site.close();
});

/** What a client with a certificate says; half a connection of it may stay open. */
function options(more: ConnectionOptions = {}) {
  const { certificate: ca } = site.authority;
  return { ...site.client, ca, host: 'localhost', port: site.port, allowHalfOpen: true, ...more };
}

function open(more: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls(options(more));
  sockets.push(socket);
  return socket;
}

const ping = 'GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const upgrade = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}`;

/** The answer to a ping, or why there is none. */
async function pinged(more: ConnectionOptions = {}): Promise<string> {
  const socket = open(more);
  socket.write(ping);
  return text(socket).then(
    (answer) => /^HTTP\/1\.1 \d+/.exec(answer)?.[0] ?? answer,
    (error: Error) => error.message,
  );
}
const served = 'HTTP/1.1 200';

describe('whoever has a certificate of the authority', () => {
  test('is answered, again and again on one connection', async () => {
    site = await ProtectedSite.start();
    const agent = new Agent({ ...options(), keepAlive: true, maxSockets: 1 });
    sockets.push(agent);
    const ports = new Set<number | undefined>();
    for (let at = 0; at < 3; at += 1) {
      const call = request({ agent, host: 'localhost', port: site.port, path: '/_ping' }).end();
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      ports.add(answer.socket.localPort);
      expect([answer.statusCode, await text(answer)]).toEqual([200, 'OK']);
    }
    expect(ports.size).toBe(1);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s: the end of its input is told, and is not the end of the output',
    async (version) => {
      site = await ProtectedSite.start();
      const socket = open({ minVersion: version, maxVersion: version });
      socket.write(upgrade('/v1.50/exec/x/start'));
      socket.end('standard input');
      expect(await text(socket)).toMatch(
        /^HTTP\/1\.1 101 UPGRADED\r\n.*ready heard \{\}standard input$/s,
      );
    },
  );

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s: the end of the output is told, and is not the end of its input',
    async (version) => {
      let heard = '';
      site = await ProtectedSite.start(
        true,
        echoingEngine((said) => {
          heard = said;
        }),
      );
      const socket = open({ minVersion: version, maxVersion: version });
      socket.write(upgrade('/v1.50/containers/x/attach'));
      expect(await text(socket)).toMatch(/ready all said$/);
      socket.write('after ');
      socket.end('the end');
      await eventually('the input arrives', () => heard !== '');
      expect(heard).toBe('{}after the end');
    },
  );

  test('loses nothing of 10 MB each way, where its end follows at once', async () => {
    site = await ProtectedSite.start();
    const sent = randomBytes(10 << 20);
    const socket = open();
    socket.write(upgrade('/v1.50/exec/x/start'));
    socket.end(sent);
    const all = await buffer(socket);
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(digest(all.subarray(-sent.length))).toBe(digest(sent));
  });

  test('reads a stream as it is made, and its leaving is told', async () => {
    let heard = '';
    site = await ProtectedSite.start(
      true,
      echoingEngine((said) => {
        heard = said;
      }),
    );
    const call = request({ ...options(), path: '/v1.50/containers/x/stats', agent: false }).end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    answer.on('error', () => undefined);
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toBe('{"first":1}\n');
    call.destroy();
    await eventually('the engine knows', () => heard === 'left');
  });

  test('gets 10 MB back from the engine, and the connection goes on', async () => {
    site = await ProtectedSite.start();
    const body = randomBytes(10 << 20);
    const socket = open();
    socket.write(`POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    socket.write(ping);
    const said = await buffer(socket);
    expect(said.length).toBeGreaterThan(body.length);
    expect(statuses(said)).toEqual(['200', '200']);
  });

  test('is told that 10 MB are too much for us, and the connection goes on', async () => {
    site = await ProtectedSite.start();
    const socket = open();
    const length = 10 << 20;
    socket.write('POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
    socket.write(`Content-Length: ${length}\r\n\r\n${' '.repeat(length)}`);
    socket.write(ping);
    expect(statuses(await buffer(socket))).toEqual(['413', '200']);
  });
});

function statuses(answers: Buffer): readonly string[] {
  return Array.from(
    answers.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g),
    ([, status = '']) => status,
  );
}

describe('who is let in', () => {
  const nobody = { cert: undefined, key: undefined };

  test('with tlsverify: who has a certificate of the authority', async () => {
    site = await ProtectedSite.start();
    const stranger = await (await TestAuthority.create()).issue();
    expect(await pinged()).toBe(served);
    expect(await pinged(nobody)).toMatch(/alert certificate required/);
    expect(await pinged({ ...nobody, maxVersion: 'TLSv1.2' })).toMatch(/alert handshake failure/);
    expect(await pinged(stranger)).not.toMatch(/^HTTP/);
    expect(await pinged({ ...stranger, maxVersion: 'TLSv1.2' })).not.toMatch(/^HTTP/);
    expect(site.logged).toMatchObject([
      ['tls_client_refused', { code: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' }],
      ['tls_client_refused', { code: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' }],
      ['tls_client_refused', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }],
      ['tls_client_refused', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }],
    ]);
  });

  test('with tls: everybody', async () => {
    site = await ProtectedSite.start(false);
    expect(await pinged(nobody)).toBe(served);
  });

  test('nobody with an older TLS', async () => {
    site = await ProtectedSite.start(false);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    expect(await pinged(old)).toMatch(/alert protocol version/);
  });
});

test.each(['GET /_ping', 'HEAD /_ping', 'POST /build', 'PUT /x', 'OPTIONS *'])(
  '“%s” without TLS hears what Go’s server says',
  async (line) => {
    site = await ProtectedSite.start();
    const socket = connect(site.port, '127.0.0.1');
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(await text(socket)).toBe(
      'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    );
  },
);

test('what is no TLS at all is closed', async () => {
  site = await ProtectedSite.start();
  const socket = connect(site.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('\0\0\0\0 nonsense that goes on for a while');
  await once(socket.resume(), 'close');
  await eventually('it is logged', () => site.logged.length > 0);
});

describe('who does not end the handshake', () => {
  test('and hangs up is forgotten', async () => {
    site = await ProtectedSite.start();
    const probe = connect({ port: site.port, host: '127.0.0.1', allowHalfOpen: true });
    await once(probe.end().resume(), 'close');
    await eventually('nobody is waited for', () => !site.timers.delays.includes(30_000));
    expect(site.logged).toEqual([]);
  });

  test('is left after a while', async () => {
    site = await ProtectedSite.start();
    const silent = connect(site.port, '127.0.0.1');
    await once(silent, 'connect');
    await eventually('it is waited for', () => site.timers.delays.includes(30_000));
    site.timers.pass(30_000);
    await once(silent, 'close');
  });

  test('gives way to others, and keeps nobody out', async () => {
    site = await ProtectedSite.start();
    const silent: Socket[] = [];
    // Not more at once than a kernel's queue takes.
    for (let round = 0; round < 11; round += 1) {
      const some = Array.from({ length: 100 }, () => connect(site.port, '127.0.0.1'));
      for (const socket of some) socket.on('error', () => undefined).resume();
      silent.push(...some);
      sockets.push(...some);
      await Promise.all(some.map((socket) => once(socket, 'connect')));
    }
    await eventually(
      'the oldest give way',
      () => silent.filter(({ closed }) => closed).length === 1_100 - 1_024,
    );
    expect(await pinged()).toBe(served);
  });
});

describe('certificates that are replaced on disk', () => {
  const lookMs = 10_000;

  /** What the server shows to who comes now; it is not judged. */
  async function shown(): Promise<string> {
    const socket = open({ rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  }

  async function look(): Promise<void> {
    await eventually('it waits', () => site.timers.delays.includes(lookMs));
    site.timers.pass(lookMs);
    await eventually('it has looked', () => site.timers.delays.includes(lookMs));
  }

  test('are shown to who comes then; who is there stays', async () => {
    site = await ProtectedSite.start();
    const before = await shown();
    const socket = open();
    socket.write(upgrade('/v1.50/exec/x/start'));
    await once(socket, 'data');
    writeTlsFiles(site.directory, await site.authority.issue(), site.authority);
    await look();
    expect(await shown()).not.toBe(before);
    expect(await pinged()).toBe(served);
    socket.end('still here');
    expect(await text(socket)).toMatch(/still here$/);
    expect(site.logged).toEqual([['tls_certificates_replaced', { file: site.files.tlscert }]]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'count for who was let in before, over %s',
    async (version) => {
      site = await ProtectedSite.start();
      const at = { minVersion: version, maxVersion: version };
      const socket = open(at);
      const sessions: Buffer[] = [];
      socket.on('session', (session) => sessions.push(session));
      socket.write(ping);
      await text(socket);
      const session = sessions.at(-1);
      if (session === undefined) throw new Error('there is no session to resume');
      expect(await pinged({ ...at, session })).toBe(served);
      const next = await TestAuthority.create();
      writeTlsFiles(site.directory, await next.issue(), next);
      await look();
      const trusting = { ...at, ca: next.certificate };
      expect(await pinged({ ...trusting, session })).not.toMatch(/^HTTP/);
      expect(await pinged({ ...trusting, ...(await next.issue()) })).toBe(served);
    },
  );

  test('and cannot be used are named once, while the old ones are shown', async () => {
    site = await ProtectedSite.start();
    const before = await shown();
    const { key } = await site.authority.issue();
    writeFileSync(site.files.tlskey, key);
    await look();
    await look();
    expect(site.logged).toMatchObject([
      ['tls_files_unusable', { reason: expect.stringContaining('is not the key of') }],
    ]);
    expect(await shown()).toBe(before);
  });

  test('still ask for TLS 1.2 at least', async () => {
    site = await ProtectedSite.start(false);
    writeTlsFiles(site.directory, await site.authority.issue(), site.authority);
    await look();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    expect(await pinged(old)).toMatch(/alert protocol version/);
  });
});

test('it stops while clients are connected, idle or in a handshake', async () => {
  site = await ProtectedSite.start();
  const idle = open();
  idle.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  // By the end of another one's answer the first has long been idle.
  expect(await pinged()).toBe(served);
  const silent = connect(site.port, '127.0.0.1');
  await eventually('both are there', () => site.timers.delays.includes(30_000));
  const left = Promise.all([once(silent.resume(), 'close'), once(idle.resume(), 'end')]);
  await site.close(20_000);
  await left;
  expect(site.timers.delays).toEqual([]);
});
