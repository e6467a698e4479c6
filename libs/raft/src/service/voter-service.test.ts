import { setImmediate } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  type HoldLeaseRequest,
  type HoldLeaseResponse,
  type LogClient,
  LogErrorCode,
} from '@shoal/proto';
import { systemClock } from '@shoal/runtime';
import { encodeTransaction, type Transaction } from '@shoal/state';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { leaseTtlMs } from './leases.ts';
import { eventually } from './testing/eventually.ts';
import { Follower } from './testing/follower.ts';
import { createNode, Proposer, transaction } from './testing/proposer.ts';
import { statusOf, VoterHarness } from './testing/voter-harness.ts';

// A thread with a whole server starts in each; build machines are slow at times.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let harness: VoterHarness;
beforeAll(async () => {
  harness = await VoterHarness.start();
});
afterAll(async () => {
  await harness.close();
});

class LeaseStream {
  readonly grants: HoldLeaseResponse[] = [];
  readonly call: ClientDuplexStream<HoldLeaseRequest, HoldLeaseResponse>;
  error: string | undefined;

  constructor(client: LogClient, id: string, nodeId: string) {
    this.call = client.holdLease();
    this.call.on('data', (response: HoldLeaseResponse) => this.grants.push(response));
    this.call.on('error', (error) => {
      this.error = error.message;
    });
    const claim = { id, stage: 'scheduler', nodeId, address: '' };
    this.call.write({ body: { $case: 'claim', value: claim } });
  }

  async granted(): Promise<number> {
    await eventually(() => this.grants.length > 0, 'the lease is granted');
    return this.grants[0]?.epoch ?? 0;
  }

  renew(): void {
    this.call.write({ body: { $case: 'renewal', value: {} } });
  }
}

describe('following and proposing', () => {
  test('a hundred proposals at once are all committed, and every follower sees them', async () => {
    const client = harness.client();
    const follower = new Follower(client);
    const proposer = new Proposer(client);
    const ids = Array.from({ length: 100 }, (_, at) => `many-${at}`);
    const before = await statusOf(client);
    const answers = await Promise.all(
      ids.map((id) => proposer.propose(transaction([createNode(id)]))),
    );
    for (const answer of answers) expect(answer.error).toBeUndefined();
    const last = Math.max(...answers.map((answer) => answer.index));
    expect(last - before.committed).toBeLessThan(ids.length);
    await eventually(() => follower.index >= last, 'the follower has caught up');
    for (const id of ids) expect(follower.state.view.nodes.get(id)).toBeDefined();

    const late = new Follower(client);
    await eventually(() => late.ready, 'a late follower has caught up');
    expect(late.snapshots).toBe(1);
    expect(late.state.view.nodes.size).toBe(follower.state.view.nodes.size);
    late.stop();

    follower.stop();
    const [answer] = [await proposer.propose(transaction([createNode('after')]))];
    const resumed = new Follower(client, follower.index, follower.state);
    await eventually(() => resumed.index >= answer.index, 'the follower has resumed');
    expect(resumed.snapshots).toBe(0);
    expect(resumed.state.view.nodes.get('after')).toBeDefined();
    resumed.stop();
    proposer.end();
  });

  test('a read index is at least what was committed before', async () => {
    const proposer = new Proposer(harness.client());
    const written = await proposer.propose(transaction([createNode('read')]));
    const read = await proposer.send({ $case: 'readIndex', value: {} });
    expect(read.index).toBeGreaterThanOrEqual(written.index);
    proposer.end();
  });

  test('what is no transaction, or too large, is refused before it is logged', async () => {
    const client = harness.client();
    const proposer = new Proposer(client);
    const before = await statusOf(client);
    const send = (...transactions: Buffer[]) =>
      proposer.send({ $case: 'proposal', value: { transactions } });
    expect((await send(Buffer.from('{"no":'))).error?.code).toBe(LogErrorCode.MALFORMED);
    expect((await send()).error?.code).toBe(LogErrorCode.MALFORMED);
    const large = transaction([createNode('large')], { reason: 'x'.repeat(60_000) });
    const encoded = Buffer.from(encodeTransaction(large));
    expect((await send(...Array<Buffer>(50).fill(encoded))).error?.code).toBe(
      LogErrorCode.TOO_LARGE,
    );
    expect((await statusOf(client)).committed).toBe(before.committed);
    proposer.end();
  });

  test('only managers of the cluster are served', async () => {
    const client = await harness.clientAs('worker00000000000000000000', 'worker');
    await expect(statusOf(client)).rejects.toThrow(/is a worker/);
    const follower = new Follower(client);
    const proposer = new Proposer(client);
    await eventually(() => follower.error !== undefined, 'the follower is sent away');
    await eventually(() => proposer.error !== undefined, 'the proposer is sent away');
    expect(follower.error).toContain('is a worker');
  });
});

describe('leases', () => {
  test('a takeover fences the old epoch', async () => {
    const client = harness.client();
    const id = `scheduler@${harness.nodeId}/fence`;
    const first = new LeaseStream(client, id, harness.nodeId);
    const oldEpoch = await first.granted();
    const second = new LeaseStream(client, id, harness.nodeId);
    const newEpoch = await second.granted();
    expect(newEpoch).toBeGreaterThan(oldEpoch);
    await eventually(() => first.error !== undefined, 'the first holder is told');

    const proposer = new Proposer(client);
    const follower = new Follower(client);
    const under = (epoch: number, node: string): Transaction =>
      transaction([createNode(node)], {
        actor: { kind: 'stage', name: 'scheduler' },
        lease: { id, epoch: epoch as never },
      });
    await proposer.propose(under(oldEpoch, 'fenced'));
    const { index } = await proposer.propose(under(newEpoch, 'allowed'));
    await eventually(() => follower.index >= index, 'the follower has caught up');
    expect(follower.state.view.nodes.get('fenced')).toBeUndefined();
    expect(follower.state.view.nodes.get('allowed')).toBeDefined();
    follower.stop();
    proposer.end();
    second.call.cancel();
  });

  test('a renewed lease stands, an abandoned one ends after its time to live, a released one at once', async () => {
    const client = harness.client();
    const follower = new Follower(client);
    const idOf = (name: string): string => `scheduler@${harness.nodeId}/${name}`;
    const kept = new LeaseStream(client, idOf('kept'), harness.nodeId);
    const left = new LeaseStream(client, idOf('left'), harness.nodeId);
    const released = new LeaseStream(client, idOf('released'), harness.nodeId);
    await Promise.all([kept.granted(), left.granted(), released.granted()]);
    const held = (name: string): boolean =>
      follower.state.view.leases.get(idOf(name)) !== undefined;
    await eventually(() => held('kept') && held('left') && held('released'), 'all are held');
    const start = systemClock.monotonic();
    released.call.write({ body: { $case: 'release', value: {} } });
    left.call.cancel();
    await eventually(() => !held('released'), 'the released one is gone');
    expect(systemClock.monotonic() - start).toBeLessThan(leaseTtlMs - 500);
    let renewedAt = start;
    await eventually(() => {
      const now = systemClock.monotonic();
      if (now - renewedAt > leaseTtlMs / 3) {
        kept.renew();
        renewedAt = now;
      }
      return !held('left');
    }, 'the abandoned one is gone');
    const lasted = systemClock.monotonic() - start;
    expect(lasted).toBeGreaterThan(leaseTtlMs - 500);
    expect(held('kept')).toBe(true);
    kept.call.cancel();
    follower.stop();
  });

  test('a lease is claimed for the own node only', async () => {
    const stream = new LeaseStream(harness.client(), 'scheduler@other/0', 'other');
    await eventually(() => stream.error !== undefined, 'the claim is refused');
    expect(stream.error).toContain('own node');
  });
});

describe('a crash of the voter', () => {
  test('loses no acknowledged write; followers resume where they stood', async () => {
    const client = harness.client();
    const follower = new Follower(client);
    const proposer = new Proposer(client);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        proposer.propose(transaction([createNode(`crash-${at}`)])),
      ),
    );
    const last = Math.max(...answers.map((answer) => answer.index));
    await eventually(() => follower.index >= last, 'the follower has caught up');
    await harness.crash();
    await harness.restart();
    await eventually(() => follower.error !== undefined, 'the follower notices');
    await setImmediate();
    const again = harness.client();
    const resumed = new Follower(again, follower.index, follower.state);
    const fresh = new Follower(again);
    await eventually(() => resumed.ready && fresh.ready, 'both have caught up');
    expect(resumed.snapshots).toBe(0);
    for (let at = 0; at < 50; at += 1)
      expect(fresh.state.view.nodes.get(`crash-${at}`)).toBeDefined();
    expect(fresh.state.view.nodes.size).toBe(resumed.state.view.nodes.size);
    resumed.stop();
    fresh.stop();
  });
});

describe('a compacted log', () => {
  test('a follower that fell behind the kept entries gets a snapshot, then the rest', async () => {
    const small = await VoterHarness.start({
      snapshotIntervalEntries: 10,
      entriesKeptForFollowers: 5,
    });
    try {
      const client = small.client();
      const proposer = new Proposer(client);
      const follower = new Follower(client);
      await eventually(() => follower.ready, 'the follower is there');
      follower.stop();
      for (let at = 0; at < 40; at += 1)
        await proposer.propose(transaction([createNode(`compact-${at}`)]));
      await eventually(
        async () => (await statusOf(client)).firstIndex > 20,
        'the log is compacted',
      );
      const behind = new Follower(client, follower.index, follower.state);
      await eventually(() => behind.ready, 'the follower has caught up');
      expect(behind.snapshots).toBe(1);
      expect(behind.state.view.nodes.size).toBe(40);
      await proposer.propose(transaction([createNode('after')]));
      await eventually(() => behind.state.view.nodes.get('after') !== undefined, 'it goes on');
      behind.stop();
      proposer.end();
    } finally {
      await small.close();
    }
  });
});
