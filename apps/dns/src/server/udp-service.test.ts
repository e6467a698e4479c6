import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serveUdp } from './udp-service.ts';

const server = createSocket('udp4');
const client = createSocket('udp4');
let close: () => void;
beforeEach(async () => {
  for (const socket of [server, client]) {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
  }
});
afterEach(() => {
  close();
  client.close();
});

test('a packet from port 0, where nobody can be answered, is not served; others are', async () => {
  const served: string[] = [];
  close = serveUdp(server, 'n', (packet) => {
    served.push(String(packet));
    return packet;
  });
  const from = { address: '127.0.0.1', family: 'IPv4', port: 0, size: 4 };
  expect(server.emit('message', Buffer.from('zero'), from)).toBe(true);
  const answer = once(client, 'message', { signal: AbortSignal.timeout(5_000) });
  client.send('good', server.address().port, '127.0.0.1');
  expect(String((await answer)[0])).toBe('good');
  expect(served).toEqual(['good']);
});
