// The commands that docs/api.md gives make what the port and its clients need.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { checkServerIdentity, connect } from 'node:tls';
import { silentLogger } from '@shoal/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCertificates } from './certificates.ts';
import { TlsDoor } from './door.ts';
import { FakeTimers } from './testing/fake-timers.ts';

const document = new URL('../../../../../docs/api.md', import.meta.url);
const version = spawnSync('openssl', ['version'], { encoding: 'utf8' }).stdout ?? '';
const hasOpenssl = /^OpenSSL [3-9]/.test(version);
if (!hasOpenssl) console.warn('there is no OpenSSL 3: the commands of docs/api.md are not tried');

describe.skipIf(!hasOpenssl)('the commands of docs/api.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-api-openssl-'));
  const path = (name: string): string => join(directory, name);
  const read = (name: string): string => readFileSync(path(name), 'utf8');
  const names = { tlscert: path('server-cert.pem'), tlskey: path('server-key.pem') };
  const files = { ...names, tlscacert: path('ca.pem') };

  beforeAll(() => {
    const commands = readFileSync(document, 'utf8').match(/(?<=^\$ )openssl(?:.*\\\n)*.*$/gm) ?? [];
    expect(commands).toHaveLength(3);
    for (const command of commands)
      execFileSync('sh', ['-c', command], { cwd: directory, stdio: 'ignore' });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('make certificates with which each side knows the other', async () => {
    const found = await readCertificates(files);
    if (found.kind === 'refused') throw new Error(found.message);
    const door = new TlsDoor({
      protection: { files, certificates: found.certificates },
      clock: new FakeTimers().clock,
      logger: silentLogger,
      enter: (socket) => socket.end('welcome'),
    });
    const listener = createServer((socket) => door.accept(socket));
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const { port } = listener.address() as AddressInfo;
    const shown = { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
    for (const servername of ['manager1', '192.0.2.11']) {
      const socket = connect({
        ...shown,
        host: '127.0.0.1',
        port,
        checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate),
      });
      expect(await text(socket)).toBe('welcome');
    }
    door.close();
    await new Promise((resolve) => listener.close(resolve));
  });
});
