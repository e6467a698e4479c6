import { connect, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { countIncoming, incomingConnections } from './connections.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

test.each<[string, readonly string[], number]>([
  ['nothing', ['', ''], 0],
  ['a port that is listened on', [`${head}\n   0: 00000000:1F40 00000000:0000 0A 0`], 0],
  [
    'a connection to it, and one that is about to be',
    [
      `${head}\n 0: 00000000:1F40 00000000:0000 0A 0\n 1: 0500000A:1F40 0300000A:8214 01 0\n 2: 0500000A:1F40 0300000A:8215 03 0`,
    ],
    2,
  ],
  [
    'a connection over IPv4 to a port of both families',
    [
      `${head}\n 0: 0500000A:1F40 0300000A:8214 01 0`,
      `${head}\n 0: ${'0'.repeat(32)}:1F40 0:0 0A 0`,
    ],
    1,
  ],
  ['its own connection to somebody else', [`${head}\n 0: 0500000A:9000 0300000A:0050 01 0`], 0],
  [
    'one that is over',
    [`${head}\n 0: 00000000:1F40 0:0 0A 0\n 1: 0500000A:1F40 0300000A:8214 06 0`],
    0,
  ],
])('counts connections of others: %s', (_what, tables, expected) => {
  expect(countIncoming(tables)).toBe(expected);
});

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

test('of a real process', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const before = await incomingConnections(process.pid);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted = new Promise((resolve) => server.once('connection', resolve));
  const client = connect(address.port, '127.0.0.1');
  ends.push(
    () => client.destroy(),
    () => server.close(),
  );
  await accepted;
  expect(await incomingConnections(process.pid)).toBeGreaterThan(before);
  client.destroy();
  await vi.waitFor(async () => expect(await incomingConnections(process.pid)).toBe(before));
  expect(await incomingConnections(0)).toBe(0);
});
