import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants as http2Constants } from 'node:http2';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** How long a connection may live if nobody ends it, milliseconds. */
const lifeMsMax = 2_000;
const writesAtOnce = 25;

/** Opens a connection, says all of `parts` as far as the other side lets it, and waits for the end. */
function say(target: NetConnectOpts, parts: readonly (string | Buffer)[]): Promise<string> {
  return conversation(connect(target), parts);
}

/** As {@link say}, inside TLS; the server's certificate is not looked at. */
export function sayInTls(
  target: NetConnectOpts,
  parts: readonly (string | Buffer)[],
  proof: ConnectionOptions = {},
): Promise<string> {
  return conversation(
    connectTls({ ...target, ...proof, rejectUnauthorized: false, ALPNProtocols: ['h2'] }),
    parts,
  );
}

/** What the other side answered until it or {@link lifeMsMax} ended the connection. */
async function conversation(socket: Socket, parts: readonly (string | Buffer)[]): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    if (answer.length < 4_096) answer += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.setTimeout(lifeMsMax, () => socket.destroy());
  for (const part of parts) socket.write(part);
  await new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
  return answer;
}

async function inTurns(count: number, attack: () => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += writesAtOnce)
    await Promise.all(Array.from({ length: Math.min(writesAtOnce, count - done) }, () => attack()));
}

/** Bytes that mean nothing. */
export function garbage(target: NetConnectOpts): Promise<void> {
  return inTurns(100, () => say(target, [randomBytes(16 * 1024)]));
}

/** The beginning of a TLS handshake whose announced length never comes. */
export function tornHandshakes(target: NetConnectOpts): Promise<void> {
  const hello = Buffer.concat([Buffer.from('16030140000100', 'hex'), randomBytes(400)]);
  return inTurns(50, () => say(target, [hello]));
}

/** Another protocol. */
export function plainHttp(target: NetConnectOpts): Promise<void> {
  return inTurns(25, () => say(target, ['GET / HTTP/1.1\r\nHost: x\r\n\r\n']));
}

/** HTTP/2 frames that are far larger than announced, or that no client may send. */
export async function brokenFrames(
  target: NetConnectOpts,
  proof: ConnectionOptions = {},
): Promise<void> {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const frame = (length: number, type: number, stream: number, content: Buffer): Buffer => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(length, 0, 3);
    header.writeUInt8(type, 3);
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, content]);
  };
  const settings = frame(0, 4, 0, Buffer.alloc(0));
  const oversize = frame(0xff_ff_ff, 0, 1, randomBytes(256 * 1024));
  const flood = Buffer.concat(Array.from({ length: 2_000 }, () => frame(8, 6, 0, randomBytes(8))));
  const unknownStream = frame(4, http2Constants.NGHTTP2_PROTOCOL_ERROR, 99, Buffer.alloc(4));
  for (const content of [oversize, flood, unknownStream, randomBytes(64 * 1024)])
    await inTurns(10, () => sayInTls(target, [preface, settings, content], proof));
}

/** Connections that say nothing, or only a first byte; `end` lets go of them. */
export async function silentConnections(
  target: NetConnectOpts,
  count: number,
): Promise<{ readonly end: () => void }> {
  const sockets: Socket[] = [];
  for (let at = 0; at < count; at += 1) {
    const socket = connect(target);
    socket.on('error', () => undefined);
    if (at % 2 === 0) socket.write(Buffer.from([0x16]));
    sockets.push(socket);
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => undefined)));
  return {
    end: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** HTTP requests that are wrong in every way we could think of, each with what must be answered. */
export const badRequests: readonly (readonly [
  name: string,
  parts: readonly (string | Buffer)[],
  answer: RegExp,
])[] = [
  ['no HTTP at all', [randomBytes(8_192)], /^(?:HTTP\/1.1 400|$)/],
  [
    'a header without end',
    ['GET /services HTTP/1.1\r\nHost: x\r\nX-A: ', 'a'.repeat(256 * 1024)],
    /^(?:HTTP\/1.1 431|$)/,
  ],
  [
    'a body that is longer than said',
    ['POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n', '{}'.repeat(5_000)],
    /^HTTP\/1.1 400/,
  ],
  [
    'two lengths',
    ['POST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x'],
    /^HTTP\/1.1 400/,
  ],
  [
    'a broken chunk',
    [
      'POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n',
      'Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n',
    ],
    /^HTTP\/1.1 400/,
  ],
  [
    'JSON nested a hundred thousand times',
    request('POST', '/services/create', '['.repeat(100_000)),
    /^HTTP\/1.1 400/,
  ],
  [
    'a prototype in JSON',
    request('POST', '/services/create', '{"__proto__":{"Name":"x"},"constructor":1}'),
    /^HTTP\/1.1 400/,
  ],
  ['a path out of the tree', request('GET', '/services/../../../../etc/passwd'), /^HTTP\/1.1 40/],
  ['a path that is no text', request('GET', '/services/%ff%fe%00'), /^HTTP\/1.1 40/],
  ['filters that are no JSON', request('GET', '/services?filters=%7B'), /^HTTP\/1.1 400/],
  ['an unknown method', request('BREW', '/services'), /^HTTP\/1.1 40/],
];

function request(method: string, path: string, body?: string): readonly string[] {
  const length = body === undefined ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n${length}\r\n`;
  return body === undefined ? [head] : [head, body];
}

export { say };
