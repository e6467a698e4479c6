import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { forgetTunnelKey, loadTunnelKey, tunnelKeyFile } from './tunnel-key.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-key-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a key is made once, and only its owner can read it', async () => {
  const path = tunnelKeyFile(folder);
  const made = await loadTunnelKey(path, systemRandom);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await loadTunnelKey(path, systemRandom)).toEqual(made);
  expect((await readFile(path, 'utf8')).trim()).toBe(made.privateKey);
  await forgetTunnelKey(path);
  expect(await loadTunnelKey(path, systemRandom)).not.toEqual(made);
});

test('a file that is no key is replaced', async () => {
  const path = join(folder, 'tunnel.key');
  await writeFile(path, 'AAAA');
  const { privateKey } = await loadTunnelKey(path, systemRandom);
  expect(Buffer.from(privateKey, 'base64')).toHaveLength(32);
});

/** RFC 7748, section 6.1. */
const bob = {
  secret: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
  public: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
};

test('the public key is the one that belongs to the private one', async () => {
  const path = join(folder, 'tunnel.key');
  await writeFile(path, Buffer.from(bob.secret, 'hex').toString('base64'));
  const { publicKey } = await loadTunnelKey(path, systemRandom);
  expect(Buffer.from(publicKey, 'base64').toString('hex')).toBe(bob.public);
});
