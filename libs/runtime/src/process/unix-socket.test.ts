import { existsSync } from 'node:fs';
import { link, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freeSocketPath, SocketServedError } from './unix-socket.ts';

let folder: string;
let path: string;
const server = createServer((socket) => socket.destroy());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-socket-'));
  path = join(folder, 'a.sock');
});
afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

test('a socket that somebody serves stays', async () => {
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await expect(freeSocketPath(path)).rejects.toThrow(new SocketServedError(path));
  expect(existsSync(path)).toBe(true);
});

test('one that a dead process left, a file and nothing give way', async () => {
  const lived = join(folder, 'lived.sock');
  await new Promise<void>((resolve) => server.listen(lived, resolve));
  await link(lived, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(existsSync(path)).toBe(true);
  await freeSocketPath(path);
  expect(existsSync(path)).toBe(false);
  await writeFile(path, '');
  await freeSocketPath(path);
  await freeSocketPath(path);
  expect(existsSync(path)).toBe(false);
});
