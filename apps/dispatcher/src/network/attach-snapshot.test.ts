import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog, settle } from '@shoal/stage/testing';
import type { Network, Node, Task } from '@shoal/state';
import { expect, test } from 'vitest';
import { Dispatcher } from '../core/dispatcher.ts';
import { noMetrics } from '../core/metrics.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];

test('a container gets the address that came with a snapshot', async () => {
  const clock = new FakeClock();
  const log = new FakeLog({ clock, random: systemRandom });
  const node: Node = {
    id: 'n1',
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'ready', message: '', addr: '10.1.1.1', dispatcher: '' },
  };
  const network: Network = {
    id: 'net',
    meta,
    spec: {
      Name: 'net',
      Labels: {},
      Driver: 'overlay',
      Internal: false,
      Attachable: true,
      Ingress: false,
      Predefined: false,
    },
    allocation: {
      subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1', vni: 4096 }],
      at: 0 as never,
    },
  };
  log.write([
    { op: 'create', table: 'node', object: node },
    { op: 'create', table: 'network', object: network },
  ]);
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
    random: { next: () => 0.5, bytes: (n: number) => systemRandom.bytes(n) },
    logger: silentLogger,
    metrics: noMetrics,
  });
  const request = { networkId: 'net', attachmentId: '', name: 'c', wanted: '' };
  let answer: { readonly addresses: readonly string[]; readonly problem: string } | undefined;
  void dispatcher.networks.attach('n1', request as never).then((it) => {
    answer = it;
  });
  await settle();
  const [attachment] = [...log.view.attachments.values()];
  if (attachment === undefined) throw new Error('not written');
  // The follower falls behind; the allocator's answer reaches it in a snapshot.
  log.detach(replica);
  log.write([
    { op: 'update', table: 'attachment', object: { ...attachment, addresses: ['10.0.0.5/24'] } },
  ]);
  log.attach(replica);
  await settle();
  await clock.advance(60_000);
  await settle();
  expect(answer).toMatchObject({ addresses: ['10.0.0.5/24'], problem: '' });
});
