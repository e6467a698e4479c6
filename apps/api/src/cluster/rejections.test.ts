import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { identityDirectory, loadIdentity } from '@shoal/pki';
import type { Replica } from '@shoal/stage';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually, type TestHost, TestHosts } from '../testing/hosts.ts';

let site: TestHosts;
let first: TestHost;
let second: TestHost;
let unhandled: unknown[];
let others: NodeJS.UnhandledRejectionListener[];
const note = (error: unknown): void => void unhandled.push(error);

/** Two managers, of which the second has been demoted and waits for its certificate as a worker. */
beforeEach(async () => {
  unhandled = [];
  others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', note);
  site = new TestHosts();
  const [a, b] = await site.start(2);
  if (a === undefined || b === undefined) throw new Error('no two hosts');
  [first, second] = [a, b];
  await first.init();
  await second.join(first, first.token('manager'));
  await eventually('both are managers', () => second.standing.kind === 'manager');
  const { nodeId } = second.manager.identity;
  // Its agent writes to it too.
  await eventually('it is demoted', async () => {
    await first.caughtUp();
    return first.setRole(nodeId, 'worker').then(
      () => true,
      () => false,
    );
  });
  await eventually('it votes no more', () => second.standing.kind === 'pending');
});
afterEach(async () => {
  process.off('unhandledRejection', note);
  for (const each of others) process.on('unhandledRejection', each);
  await site.close();
});

test('a host whose disk is full when it gets its certificate asks for it again', async () => {
  // Whatever is written over the keys fails, as on a full disk.
  const inTheWay = join(identityDirectory(second.dataDir), `.keys.json.${process.pid}`);
  mkdirSync(inTheWay);
  await eventually('it could not write', () => second.count('role_not_written') > 0);
  rmSync(inTheWay, { recursive: true });
  await eventually('it is a worker', () => second.standing.kind === 'worker');
  expect(unhandled).toEqual([]);
}, 90_000);

test('a late certificate of the swarm that was left is not taken for one of the next', async () => {
  // Without a quorum managers answer renewals from memory, after two seconds.
  let asked = false;
  const replica = first.manager.replica as { -readonly [K in keyof Replica]: Replica[K] };
  replica.catchUp = () => {
    asked = true;
    return new Promise(() => undefined);
  };
  await eventually('the certificate is asked for', () => asked);
  const issued = first.count('certificate_issued');
  await second.membership.leave(true);
  await second.init();
  const before = await loadIdentity(second.dataDir);
  expect(before.kind).toBe('complete');
  await eventually('it is answered', () => first.count('certificate_issued') > issued);
  await second.restart();
  await eventually('it is the manager that it was', () => second.standing.kind === 'manager');
  expect(await loadIdentity(second.dataDir)).toEqual(before);
  expect(unhandled).toEqual([]);
}, 90_000);
