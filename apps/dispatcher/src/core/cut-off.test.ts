// What comes while the dispatcher has no lease, or its replica no log.
import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog, settle } from '@shoal/stage/testing';
import type { Node, Task } from '@shoal/state';
import { expect, test } from 'vitest';
import { description, FakeAgent } from '../testing/fake-agent.ts';
import { Dispatcher } from './dispatcher.ts';
import { noMetrics } from './metrics.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];

function setUp() {
  const clock = new FakeClock();
  const log = new FakeLog({ clock, random: systemRandom });
  const object: Node = {
    id: 'n1',
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
  log.write([{ op: 'create', table: 'node', object }]);
  const lease = new FakeLease(log, {
    id: 'dispatcher@m/0',
    stage: 'dispatcher',
    nodeId: 'm',
    address: 'm:0',
  });
  lease.reclaim();
  const replica = log.replica();
  const dispatcher = new Dispatcher({
    replica,
    lease,
    openRegistryAuth: () => undefined,
    clock,
    random: { next: () => 0.5, bytes: (count: number) => systemRandom.bytes(count) },
    logger: silentLogger,
    metrics: noMetrics,
  });
  return { clock, log, lease, replica, dispatcher };
}

test('a description that comes while the lease is being renewed is written when there is one', async () => {
  const { log, lease, dispatcher } = setUp();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  // A change of leaders: no lease for a moment, sessions go on.
  lease.expire();
  const more = { ...description, Resources: { NanoCPUs: 8e9, MemoryBytes: 8e9 } };
  agent.describe(dispatcher, more);
  lease.reclaim();
  await settle();
  for (let beat = 0; beat < 10; beat += 1) agent.heartbeat(dispatcher);
  await settle();
  expect(agent.closedBy).toBeUndefined();
  expect(log.view.nodes.get('n1')?.description?.Resources.NanoCPUs).toBe(8e9);
});

test('a session whose node was removed while the replica was cut off ends with the snapshot', async () => {
  const { log, replica, dispatcher } = setUp();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  log.detach(replica);
  const node = log.view.nodes.get('n1');
  log.write([{ op: 'delete', table: 'node', id: 'n1', version: node?.meta.version as never }]);
  log.attach(replica);
  await settle();
  for (let beat = 0; beat < 10; beat += 1) agent.heartbeat(dispatcher);
  await settle();
  expect(agent.closedBy?.kind).toBe('not-found');
});
