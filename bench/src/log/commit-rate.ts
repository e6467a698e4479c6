import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileSystem, openLogStorage, RaftNode, recordCipher, type VoterId } from '@shoal/raft';
import { Batcher, type Checked, VoterMachine } from '@shoal/raft/service';
import {
  type Instant,
  type LogIndex,
  pause,
  silentLogger,
  systemClock,
  systemRandom,
} from '@shoal/runtime';
import { decodeTransaction, encodeTransaction, type Lease, type Transaction } from '@shoal/state';

export interface CommitRate {
  readonly proposers: number;
  readonly commitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Durable writes per second; commits per write say how well they were grouped. */
  readonly writesPerSecond: number;
}

/** Size of one encoded transaction. */
const transactionBytes = 256;
const warmMs = 500;
const durationMs = 4_000;

/**
 * Commits per second with `proposers` that each propose, wait for the commit and its outcome on the
 * state, and propose the next: the voter's own batching, log, disk and state machine, without a network.
 */
export async function commitRate(parent: string, proposers: number): Promise<CommitRate> {
  const directory = mkdtempSync(join(parent, 'log-'));
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const cipher = recordCipher([{ number: 1, key: systemRandom.bytes(32) }], systemRandom);
  const storage = await openLogStorage({ directory, disk: fileSystem, cipher, ...common });
  const machine = new VoterMachine();
  const id = 1 as VoterId;
  const membership = { voters: [{ id, nodeId: 'bench', addr: '' }], learners: [] };
  const node = await RaftNode.open({ id, membership, storage, machine, ...common });
  const batcher = new Batcher({
    log: node,
    clock: systemClock,
    lastTime: 0 as Instant,
    onPayload: (payload, time, transactions) => machine.know(payload, time, transactions),
  });
  const waits: number[] = [];
  let measuring = false;
  let stopped = false;
  const propose = async (number: number): Promise<void> => {
    let version = 0 as LogIndex;
    while (!stopped) {
      const begin = performance.now();
      const result = await batcher.submit([checked(encodeTransaction(renewal(number, version)))]);
      if (result.kind === 'failed') throw new Error(result.message);
      version = result.index;
      const applied = machine.view.leases.get(`bench/${number}`)?.meta.version;
      if (applied !== version)
        throw new Error(`${number}: ${applied} applied, ${version} committed`);
      if (measuring) waits.push(performance.now() - begin);
    }
  };
  const all = Promise.all(Array.from({ length: proposers }, (_, number) => propose(number)));
  await wait(warmMs);
  measuring = true;
  const begin = performance.now();
  const writes = node.status.writes;
  await Promise.race([wait(durationMs), all]);
  const seconds = (performance.now() - begin) / 1000;
  const writesPerSecond = (node.status.writes - writes) / seconds;
  measuring = false;
  stopped = true;
  await all;
  await node.stop();
  rmSync(directory, { recursive: true });
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.floor(share * (waits.length - 1))] ?? Number.NaN;
  const commitsPerSecond = waits.length / seconds;
  return { proposers, commitsPerSecond, p50Ms: at(0.5), p99Ms: at(0.99), writesPerSecond };
}

/** As the voter's service does with what arrives. */
function checked(bytes: Uint8Array): Checked {
  const decoded = decodeTransaction(bytes);
  if (decoded.kind === 'malformed') throw new Error(decoded.message);
  return { bytes, transaction: decoded.transaction };
}

/** A transaction of exactly {@link transactionBytes} that writes the proposer's own object. */
function renewal(number: number, version: LogIndex): Transaction {
  const lease: Lease = {
    id: `bench/${number}`,
    stage: 'bench',
    nodeId: '',
    address: '',
    meta: { version, createdAt: 0 as Instant, updatedAt: 0 as Instant },
  };
  const transaction = (reason: string): Transaction => ({
    id: `${number}`,
    actor: { kind: 'system', name: 'bench' },
    reason,
    decidedAt: version,
    changes: [{ op: version === 0 ? 'create' : 'update', table: 'lease', object: lease }],
  });
  const bare = JSON.stringify(transaction('')).length;
  return transaction('x'.repeat(Math.max(0, transactionBytes - bare)));
}

function wait(ms: number): Promise<void> {
  return pause(systemClock, ms);
}
