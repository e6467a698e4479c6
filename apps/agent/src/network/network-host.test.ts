import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hostNetworksSocket } from '@shoal/overlay';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { SocketServedError } from '@shoal/runtime/process';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { NetworkHost } from './network-host.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shoal-network-host-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const driverSocket = () => join(dataDir, 'plugins', 'shoal.sock');

function open(): Promise<NetworkHost> {
  return NetworkHost.open({
    ...{ dataDir, driverSocket: driverSocket() },
    engine: `unix://${join(dataDir, 'no-engine.sock')}`,
    ...{ clock: systemClock, random: systemRandom, logger: silentLogger },
    registry: new Registry(),
    observe: () => undefined,
    secure: () => undefined,
  });
}

/** As another agent would. */
async function serve(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
}

test('a second agent with the same data directory does not start', async () => {
  const socket = hostNetworksSocket(dataDir);
  await serve(socket);
  await expect(open()).rejects.toThrow(new SocketServedError(socket));
});

test('one with another, beside which it cannot be the engine’s driver, does without networks', async () => {
  await serve(driverSocket());
  const host = await open();
  expect(host.encryption).toBeUndefined();
  await host.close();
});
