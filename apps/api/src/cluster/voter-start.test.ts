import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  loadIdentity,
  writeIdentity,
} from '@shoal/pki';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { MembershipOptions } from './options.ts';
import { becomeWorker, prepareManager } from './voter-start.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shoal-voter-start-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const sealKey = Buffer.alloc(32, 7);

async function identityOf(role: Identity['role'], secrets: Partial<Identity>): Promise<Identity> {
  const now = systemClock.now();
  const ca = await createClusterCa(now, systemRandom);
  const { key, request } = await createNodeKey();
  const subject = { clusterId: 'cluster', nodeId: 'node', role };
  const issued = await issueCertificate({ ca, request, subject, now, random: systemRandom });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return {
    ...subject,
    voterId: 5,
    advertiseAddr: '127.0.0.1',
    listenAddr: '127.0.0.1:2377',
    logAddr: '127.0.0.1:2377',
    dispatcherAddr: '127.0.0.1:2378',
    managers: [],
    caCertificate: ca.certificate,
    certificate: issued.certificate,
    key,
    logKeys: [{ number: 1, key: Buffer.alloc(32, 1) }],
    ...secrets,
  };
}

const options = (): MembershipOptions =>
  ({ dataDir, logger: silentLogger }) as unknown as MembershipOptions;

async function onDisk(): Promise<Identity> {
  const state = await loadIdentity(dataDir);
  if (state.kind !== 'complete') throw new Error(`the identity is ${state.kind}`);
  return state.identity;
}

test('a worker keeps nothing that it had as a manager', async () => {
  const worker = await identityOf('worker', { sealKey });
  await writeIdentity(dataDir, worker);
  const left = await becomeWorker(worker, options());
  expect(left).toEqual(await onDisk());
  expect(left).toMatchObject({ role: 'worker', voterId: 0, logKeys: [], logAddr: '' });
  expect(left.sealKey).toBeUndefined();
});

test('promoted again before it was done with being demoted, it keeps the seal key that came with it', async () => {
  const demoted = await identityOf('worker', {});
  // What was told is old: the agent has written the certificate of a manager since.
  await writeIdentity(dataDir, await identityOf('manager', { sealKey }));
  await becomeWorker(demoted, options());
  expect(await onDisk()).toMatchObject({ role: 'manager', voterId: 0, logKeys: [], sealKey });
});

test('no manager begins without the seal key', async () => {
  await expect(prepareManager(await identityOf('manager', {}), options())).rejects.toThrow(
    'this manager has no seal key yet: its agent asks the other managers for it',
  );
});
