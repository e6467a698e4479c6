import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineFindings } from './diagnosis.ts';
import { askApi } from './docker-socket.ts';

let directory: string;
let socket: string;
let server: Server;

/** An api, or an engine, that ends in the middle of its answer. */
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-socket-'));
  socket = join(directory, 'docker.sock');
  server = createServer(({ url }, response) => {
    if (url === '/slow') return;
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"half":', () => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

test('an answer that is cut off is an error in one sentence', async () => {
  const asked = askApi(socket, 'GET', '/shoal/v1/status');
  await expect(asked).rejects.toThrow(/no api answers at .*docker\.sock \(aborted\)/);
});

test.each([
  [{ ms: 20 }, /no api answers at .*docker\.sock \(no answer in time\)/],
  [{ ms: 20, tooLong: 'the plan takes longer than that' }, /^the plan takes longer than that$/],
])('an answer that takes too long is one too: %j', async (wait, message) => {
  const asked = askApi(socket, 'POST', '/slow', {}, wait);
  await expect(asked).rejects.toThrow(message);
});

test('an engine that ends while it says its version does not answer', async () => {
  const [finding] = await engineFindings(`unix://${socket}`);
  expect(finding).toMatchObject({ check: 'engine', verdict: 'bad' });
});
