import { silentLogger, systemRandom } from '@shoal/runtime';
import type { ProposalResult } from '@shoal/stage';
import { FakeClock, FakeLease, FakeLog, type FakeReplica } from '@shoal/stage/testing';
import type { Change, Node, Transaction } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { writesPerProposalMax } from './limits.ts';
import { noMetrics } from './metrics.ts';
import { type WriteEnd, Writer } from './writer.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Node['meta'];

let clock: FakeClock;
let log: FakeLog;
let sizes: number[];
let ends: Map<string, WriteEnd>;

beforeEach(() => {
  clock = new FakeClock();
  log = new FakeLog({ clock, random: systemRandom });
  sizes = [];
  ends = new Map();
});

/** Refuses a proposal as the log does: as a whole, for one transaction that is unfit. */
function fakePicky(replica: FakeReplica): FakeReplica {
  const propose = replica.propose.bind(replica);
  replica.propose = (transactions: readonly Transaction[]): Promise<ProposalResult> => {
    sizes.push(transactions.length);
    return transactions.some(({ reason }) => reason === 'unfit')
      ? Promise.resolve({ kind: 'failed', code: 'malformed', message: 'one of them is unfit' })
      : propose(transactions);
  };
  return replica;
}

function start(): Writer {
  const lease = new FakeLease(log, {
    id: 'dispatcher@m/0',
    stage: 'dispatcher',
    nodeId: 'm',
    address: 'm:0',
  });
  lease.reclaim();
  const replica = fakePicky(log.replica());
  const options = { clock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  return new Writer({ ...options, replica, lease });
}

function add(writer: Writer, id: string, reason = 'fit'): void {
  writer.add({
    key: id,
    actor: { kind: 'agent', name: id },
    reason,
    change: (view): Change | undefined => {
      if (view.nodes.get(id) !== undefined) return undefined;
      const object: Node = {
        id,
        meta,
        spec: { Labels: {}, Role: 'worker', Availability: 'active' },
        role: 'worker',
        status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
      };
      return { op: 'create', table: 'node', object };
    },
    done: (end) => ends.set(id, end),
  });
}

test.each([1, 2, 7, writesPerProposalMax])(
  'of %i writes that one makes unfit, the others are written',
  async (count) => {
    const writer = start();
    const unfit = Math.floor(count / 3);
    for (let at = 0; at < count; at += 1) add(writer, `n${at}`, at === unfit ? 'unfit' : 'fit');
    await clock.advance(10_000);
    for (let at = 0; at < count; at += 1)
      expect(ends.get(`n${at}`)).toBe(at === unfit ? 'dropped' : 'committed');
    expect(writer.pending).toBe(0);
    expect(sizes.length).toBeLessThanOrEqual(4 * Math.ceil(Math.log2(count + 1)));
  },
);

test('who goes with an unfit one again and again is written all the same', async () => {
  const writer = start();
  for (let round = 0; round < 20; round += 1) {
    add(writer, `good${round}`);
    add(writer, `bad${round}`, 'unfit');
    await clock.advance(50);
  }
  await clock.advance(10_000);
  for (let round = 0; round < 20; round += 1) {
    expect(ends.get(`good${round}`)).toBe('committed');
    expect(ends.get(`bad${round}`)).toBe('dropped');
  }
});
