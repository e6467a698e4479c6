import { createServer } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;
beforeEach(async () => {
  site = new FakeSite(
    createServer((request, response) => {
      response.setHeader('Api-Version', '1.41');
      if (request.url === '/_ping' || request.url === '/version') {
        response.end('{"MinAPIVersion":"1.40"}');
        return;
      }
      // As dockerd for every answer of more than 2 KiB: no length, in chunks.
      response.setHeader('Content-Type', 'application/json');
      response.write('[{"Id":"a"}');
      response.end(']\n');
    }),
  );
  await site.start();
});
afterEach(() => site.close());

async function ask(head: string): Promise<string> {
  const socket = connect({ path: site.socket, allowHalfOpen: true });
  socket.write(head);
  return text(socket);
}

test('a client of HTTP/1.0 need not name a host', async () => {
  expect(await ask('GET /images/json HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.. 200 /);
});

test('a client of HTTP/1.0 gets no chunks', async () => {
  const answer = await ask('GET /images/json HTTP/1.0\r\nHost: docker\r\n\r\n');
  expect(answer.toLowerCase()).not.toContain('transfer-encoding');
  expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toBe('[{"Id":"a"}]\n');
});
