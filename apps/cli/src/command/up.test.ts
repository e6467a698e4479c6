import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Server as ControlServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildOf } from '../host/build.ts';
import { readHostConfig } from '../host/config.ts';
import { controlSocket, repositoryRoot } from '../host/layout.ts';
import { programOf } from '../host/plan.ts';
import { serveControl } from '../supervisor/control.ts';
import { FakeBoot } from '../testing/fake-boot.ts';
import { up } from './up.ts';

let directory: string;
let printed: string;
const servers: (Server | ControlServer)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-up-'));
  printed = '';
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true });
});

/** An engine and the api in one: it answers pings, and is healthy. */
function fakeServer(listen: (server: Server, done: () => void) => void): Promise<Server> {
  const report = { healthy: true, ready: true, role: 'leader', detail: '' };
  const server = createServer((_request, response) => response.end(JSON.stringify(report)));
  servers.push(server);
  return new Promise((resolve) => listen(server, () => resolve(server)));
}

/** A host on which api runs, as the build that is given. */
async function host(build: string) {
  const engine = join(directory, 'engine.sock');
  await fakeServer((server, done) => server.listen(engine, done));
  const admin = await fakeServer((server, done) => server.listen(0, '127.0.0.1', done));
  const address = admin.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const pid = process.pid;
  const record = { process: 'api', pid, admin: `127.0.0.1:${port}` };
  writeFileSync(join(directory, 'api.json'), JSON.stringify(record));
  const read = readHostConfig({
    runDir: directory,
    dataDir: join(directory, 'data'),
    engine: `unix://${engine}`,
  });
  if (read.kind !== 'config') throw new Error(read.message);
  const { config } = read;
  const life = { state: 'running', pid, restarts: 0, uptimeMs: 1, lastExit: '' } as const;
  const processes = [{ process: 'api', ...life, build }];
  servers.push(
    await serveControl(controlSocket(directory), async () => ({
      kind: 'status',
      pid,
      build: buildOf(programOf(repositoryRoot(), 'cli')),
      config,
      processes,
    })),
  );
  return { config, given: new Set<keyof typeof config>(), foreground: false };
}

test.each([
  ['the build that is here', () => buildOf(programOf(repositoryRoot(), 'api')), 'nothing to do.'],
  [
    'another build',
    () => 'another',
    'another build than the one here runs as api: ./shoal down && ./shoal up changes that, containers go on.',
  ],
])('a host that runs %s is left as it is, and up says so', async (_what, build, words) => {
  const request = await host(build());
  await up(request, new FakeBoot(), {
    say: () => undefined,
    print: (text) => {
      printed += `${text}\n`;
    },
  });
  expect(printed).toContain(`Already running (supervisor ${process.pid}); ${words}\n`);
});
