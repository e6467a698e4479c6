import { loadIdentity } from '@shoal/pki';
import { systemClock } from '@shoal/runtime';
import { afterEach, expect, test } from 'vitest';
import { eventually, TestHosts } from '../testing/hosts.ts';
import { askRole } from './role-request.ts';

const site = new TestHosts();
afterEach(() => site.close());

test('an answer that comes when the host is a manager again by another way changes nothing', async () => {
  const [a, b] = await site.start(2);
  if (a === undefined || b === undefined) throw new Error('two hosts');
  await a.init();
  await b.join(a, a.token('manager'));
  const removed = b.manager.identity;
  const { nodeId } = removed;
  await a.caughtUp();
  await a.setRole(nodeId, 'worker');
  await eventually('it is a worker', () => b.standing.kind === 'worker');
  await a.setRole(nodeId, 'manager');
  await eventually('the log allows it', () => a.view.nodes.get(nodeId)?.role === 'manager');
  await b.renewAsAgent();
  await eventually('it is a manager again', () => b.standing.kind === 'manager');
  const { voterId, certificate } = b.manager.identity;
  expect(voterId).not.toBe(removed.voterId);

  await askRole(removed, { dataDir: b.dataDir, clock: systemClock });
  expect(await loadIdentity(b.dataDir)).toMatchObject({ identity: { voterId, certificate } });
}, 60_000);
