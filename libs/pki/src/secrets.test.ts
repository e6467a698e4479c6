import { createPrivateKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { systemClock, systemRandom } from '@shoal/runtime';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createClusterCa, createNodeKey, issueCertificate } from './authority.ts';
import { issueExternally } from './external-authority.ts';
import {
  type Identity,
  identityDirectory,
  loadIdentity,
  setLock,
  unlock,
  updateIdentity,
  writeIdentity,
} from './identity.ts';
import { newJoinToken } from './join-token.ts';
import { newUnlockKey, readKeys } from './keys-file.ts';
import { provenNode, proveRenewal } from './renewal-proof.ts';
import { requestCertificate } from './request-certificate.ts';
import { forgetUnlockKeys } from './runtime-directory.ts';
import { createFakeCluster, type FakeCluster } from './testing/fake-cluster.ts';

const unlockKey = newUnlockKey(systemRandom);
let cluster: FakeCluster;
let identity: Identity;
let token: string;
let scratch: string;
let dataDir: string;
let directory: string;
beforeAll(async () => {
  cluster = await createFakeCluster();
  identity = await cluster.identity('manager');
  token = newJoinToken(cluster.ca.certificate, systemRandom);
});
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'shoal-secrets-'));
  dataDir = join(scratch, 'data');
  directory = identityDirectory(dataDir);
  vi.stubEnv('SHOAL_RUN_DIR', join(scratch, 'run'));
  await writeIdentity(dataDir, identity);
});
afterEach(async () => {
  await forgetUnlockKeys(dataDir);
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

/** Bytes 36 to 68 of a P-256 key in PKCS #8 are the secret number; what follows is public. */
const secretDigits = [48, 90] as const;

function secrets(): readonly string[] {
  const keys = [identity.key, cluster.ca.key].flatMap((pem) => {
    const digits = pem.replace(/-----[^-]+-----|\s/g, '');
    const { d } = createPrivateKey(pem).export({ format: 'jwk' });
    return [digits.slice(...secretDigits), String(d)];
  });
  const sealKey = identity.sealKey?.toString('base64') ?? '';
  const logKeys = identity.logKeys.map(({ key }) => key.toString('base64'));
  return [...keys, sealKey, ...logKeys, unlockKey.slice(9), token.slice(-25)];
}

/** Of an outcome all that people and logs could see holds no piece of a secret, twelve digits of it or more. */
function expectSilent(...seen: readonly unknown[]): void {
  const text = seen
    .map((each) => inspect(each, { depth: 10, showHidden: true, maxStringLength: null }))
    .join('\n');
  const pieces = secrets().flatMap((secret) =>
    Array.from({ length: Math.max(1, secret.length - 11) }, (_, at) => secret.slice(at, at + 12)),
  );
  expect(pieces.filter((piece) => text.includes(piece))).toEqual([]);
}

const thrown = (of: Promise<unknown>): Promise<unknown> =>
  of.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  );

test('the search finds a secret where there is one', () => {
  for (const seen of [identity, { token }, new Error(unlockKey), [cluster.ca.key]])
    expect(() => expectSilent(seen)).toThrow();
});

test('a damaged file of keys is told of without what is in it', async () => {
  const path = join(directory, 'keys.json');
  const whole = readFileSync(path, 'utf8');
  const damage = fc.oneof(
    fc.nat(whole.length).map((end) => whole.slice(0, end)),
    fc
      .tuple(fc.nat(whole.length - 1), fc.constantFrom('"', '{', '}', '[', ',', '!', '0'))
      .map(([at, letter]) => whole.slice(0, at) + letter + whole.slice(at + 1)),
    fc.constant(whole.replace('"key":', '"key": 7, "was":')),
    fc.constant(whole.replace('BEGIN PRIVATE', 'BEGIN EC')),
  );
  await fc.assert(
    fc.asyncProperty(damage, async (text) => {
      writeFileSync(path, text);
      const state = await loadIdentity(dataDir);
      if (state.kind !== 'complete') expectSilent(state);
      if (state.kind === 'broken')
        expectSilent(await thrown(updateIdentity(dataDir, identity, (before) => before)));
      const read = await readKeys(directory, []).catch((error: unknown) => error);
      if (read instanceof Error) expectSilent(read);
    }),
    { numRuns: 150 },
  );
});

test('a locked host tells nothing, whatever it is asked', async () => {
  await setLock(dataDir, { unlockKey, version: 1 });
  const onDisk = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
  await forgetUnlockKeys(dataDir);
  expectSilent(
    onDisk,
    await loadIdentity(dataDir),
    await unlock(dataDir, newUnlockKey(systemRandom)),
    await thrown(updateIdentity(dataDir, identity, (before) => before)),
    await thrown(setLock(dataDir, null)),
    await thrown(writeIdentity(dataDir, identity)),
  );
});

test('a lock by what is no unlock key is refused, and not told', async () => {
  const bad = `${unlockKey}x`;
  expectSilent(await thrown(setLock(dataDir, { unlockKey: bad, version: 1 })));
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
  expect(await unlock(dataDir, bad)).toBe('not-locked');
});

test('old keys that cannot be moved are told of without them', async () => {
  const old = join(scratch, 'old');
  mkdirSync(identityDirectory(old), { recursive: true });
  const write = (name: string, text: string): void =>
    writeFileSync(join(identityDirectory(old), name), text);
  write('node.json', JSON.stringify({ nodeId: identity.nodeId, role: 'manager' }));
  write('node.key', identity.key);
  write('seal.key', `${identity.sealKey?.toString('base64') ?? ''}AAAA`);
  const state = await loadIdentity(old);
  expect(state.kind).toBe('broken');
  expectSilent(state);
});

test('who gets no certificate is not told what was shown for it', async () => {
  const clock = systemClock;
  const { certificate, key, caCertificate: trustRoots } = identity;
  const addresses = ['127.0.0.1:1'];
  const { request } = await createNodeKey();
  const proof = proveRenewal(identity, request);
  const { nodeId } = identity;
  const subject = { nodeId, role: 'manager', clusterId: cluster.id } as const;
  const other = await createClusterCa(clock.now(), systemRandom);
  const withBadKey = { certificate: cluster.ca.certificate, key: cluster.ca.key.replace('M', '!') };
  expectSilent(
    await requestCertificate({
      addresses,
      proof: { kind: 'token', token, availability: '', hostname: '' },
      clock,
      tries: 1,
    }),
    await requestCertificate({
      addresses,
      proof: { kind: 'renewal', certificate, key, trustRoots },
      clock,
      tries: 1,
    }),
    await issueExternally({
      authorities: {
        urls: [`http://user:${token}@127.0.0.1:1`],
        root: trustRoots,
        proof: identity,
        clock,
      },
      request,
      subject,
    }),
    provenNode(proof, request, other.certificate),
    await issueCertificate({
      ca: cluster.ca,
      request: key,
      subject,
      now: clock.now(),
      random: systemRandom,
    }),
    await thrown(
      issueCertificate({
        ca: withBadKey,
        request,
        subject,
        now: clock.now(),
        random: systemRandom,
      }),
    ),
  );
});
