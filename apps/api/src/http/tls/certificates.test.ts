import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readCertificates, type TlsFiles } from './certificates.ts';
import { type Credentials, TestAuthority, writeTlsFiles } from './testing/authority.ts';

const directory = mkdtempSync(join(tmpdir(), 'shoal-api-tls-'));
let authority: TestAuthority;
let server: Credentials;
let other: Credentials;
let files: TlsFiles & { readonly tlscacert: string };

beforeAll(async () => {
  authority = await TestAuthority.create();
  server = await authority.issue();
  other = await authority.issue();
});
beforeEach(() => {
  files = writeTlsFiles(directory, server, authority);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const pem = { format: 'pem' } as const;

test('good files are read as they are', async () => {
  expect(await readCertificates(files)).toEqual({
    kind: 'read',
    certificates: { ...server, ca: authority.certificate },
  });
  expect(await readCertificates({ ...files, tlscacert: undefined })).toEqual({
    kind: 'read',
    certificates: { ...server, ca: undefined },
  });
});

test('a certificate may have others behind it, and words before', async () => {
  const chain = `subject=CN = localhost\n${server.cert}${authority.certificate}`;
  writeFileSync(files.tlscert, chain);
  expect(await readCertificates(files)).toMatchObject({ certificates: { cert: chain } });
});

/** Of a key of another form, which no certificate here belongs to. */
const mismatch = 'is not the key of the certificate in';

describe('a key of each form is understood', () => {
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  test.each<[string, () => string, object]>([
    [
      'SEC 1',
      () =>
        createPrivateKey(server.key)
          .export({ ...pem, type: 'sec1' })
          .toString(),
      { kind: 'read' },
    ],
    [
      'PKCS #1',
      () => rsa.export({ ...pem, type: 'pkcs1' }).toString(),
      { message: expect.stringContaining(mismatch) },
    ],
  ])('%s', async (_form, key, found) => {
    writeFileSync(files.tlskey, key());
    expect(await readCertificates(files)).toMatchObject(found);
  });
});

const cases: [string, () => void, string][] = [
  [
    'a certificate that is not there',
    () => rmSync(files.tlscert),
    '--tlscert=<tlscert> cannot be read: there is no such file; give the path of a PEM file, seen from this process',
  ],
  [
    'a key that is not there',
    () => rmSync(files.tlskey),
    '--tlskey=<tlskey> cannot be read: there is no such file; give the path of a PEM file, seen from this process',
  ],
  [
    'an authority that is not there',
    () => rmSync(files.tlscacert),
    '--tlscacert=<tlscacert> cannot be read: there is no such file; give the path of a PEM file, seen from this process',
  ],
  [
    'a folder',
    () => {
      rmSync(files.tlscert);
      mkdirSync(files.tlscert);
    },
    '--tlscert=<tlscert> cannot be read: it is a folder; give the path of a PEM file',
  ],
  [
    'a key in the place of a certificate',
    () => writeFileSync(files.tlscert, server.key),
    '--tlscert=<tlscert> holds no certificate: give a PEM file that has a line -----BEGIN CERTIFICATE-----',
  ],
  [
    'a certificate in the place of a key',
    () => writeFileSync(files.tlskey, server.cert),
    '--tlskey=<tlskey> holds no private key: give a PEM file that has a line -----BEGIN PRIVATE KEY-----',
  ],
  [
    'an empty key',
    () => writeFileSync(files.tlskey, ''),
    '--tlskey=<tlskey> holds no private key: give a PEM file that has a line -----BEGIN PRIVATE KEY-----',
  ],
  [
    'an authority that is none',
    () => writeFileSync(files.tlscacert, 'nonsense'),
    '--tlscacert=<tlscacert> holds no certificate: give a PEM file that has a line -----BEGIN CERTIFICATE-----',
  ],
  [
    'a key of another certificate',
    () => writeFileSync(files.tlskey, other.key),
    '--tlskey=<tlskey> is not the key of the certificate in --tlscert=<tlscert>: give the two that were made together',
  ],
  ...(['pkcs8', 'sec1'] as const).map((type): [string, () => void, string] => [
    `a key with a passphrase, as ${type}`,
    () => {
      const locked = { ...pem, type, cipher: 'aes-256-cbc', passphrase: 'secret' };
      writeFileSync(files.tlskey, createPrivateKey(server.key).export(locked));
    },
    '--tlskey=<tlskey> is locked with a passphrase, which a server cannot be asked for: unlock it with openssl pkey -in <tlskey> -out unlocked.pem',
  ]),
];

describe.each(cases)('%s', (_what, damage, message) => {
  test('is named in one sentence', async () => {
    damage();
    const found = await readCertificates(files);
    rmSync(files.tlscert, { recursive: true, force: true });
    const paths = new Map(Object.entries(files));
    const named = message.replaceAll(/<(\w+)>/g, (_word, flag: string) => paths.get(flag) ?? '');
    expect(found).toEqual({ kind: 'refused', message: named });
  });
});

test.each(['tlscert', 'tlscacert'] as const)('a damaged certificate in --%s', async (flag) => {
  const { cert } = server;
  const middle = Math.floor(cert.length / 2);
  writeFileSync(files[flag], `${cert.slice(0, middle)}\n${cert.slice(middle + 40)}`);
  expect(await readCertificates(files)).toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(
      new RegExp(`^--${flag}=\\S+ holds a damaged certificate \\(.+\\): copy or make it again$`),
    ),
  });
});

// Root may read everything.
test.skipIf(process.getuid?.() === 0)('a key that others own', async () => {
  chmodSync(files.tlskey, 0);
  expect(await readCertificates(files)).toEqual({
    kind: 'refused',
    message: `--tlskey=${files.tlskey} cannot be read: this process may not; give its user the right to read the file`,
  });
});
