import { join } from 'node:path';
import { fileSystem, openLogStorage, RaftNode, type VoterId } from '@shoal/raft';
import { VoterMachine } from '@shoal/raft/service';
import {
  type LogIndex,
  silentLogger,
  systemClock,
  systemRandom,
} from '@shoal/runtime';
import { encodePayload, encodeTransaction, type Lease, type Transaction } from '@shoal/state';
import { rateOf } from './rate.ts';
import { recordBytes } from './store-rate.ts';

/**
 * Commits per second through a sole voter, durable and applied to the state, with `proposers` that each
 * wait for their own commit before the next. Each proposal is an entry of its own with one transaction:
 * an update that names the version its proposer read.
 */
export async function proposerRate(directory: string, proposers: number): Promise<number> {
  const id = 1 as VoterId;
  const machine = new VoterMachine();
  let refused = 0;
  machine.onApplied(({ outcomes }) => {
    for (const { kind } of outcomes) if (kind !== 'committed') refused += 1;
  });
  const node = await RaftNode.open({
    id,
    voters: [id],
    storage: await openLogStorage({
      directory: join(directory, `proposers-${proposers}`),
      disk: fileSystem,
      random: systemRandom,
      logger: silentLogger,
    }),
    machine,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  try {
    const rate = await rateOf(proposers, async (proposer, isOver, count) => {
      let version = await commit(node, proposer, 0);
      while (!isOver()) {
        version = await commit(node, proposer, version);
        count(1);
      }
    });
    // A refusal would be cheaper than the change it refuses.
    if (refused > 0) throw new Error(`the state refused ${refused} transactions`);
    return rate;
  } finally {
    await node.stop();
  }
}

/** Returns the version of the proposer's object after it. */
async function commit(node: RaftNode, proposer: number, version: number): Promise<number> {
  const outcome = await node.propose(payload(proposer, version));
  if (outcome.kind !== 'committed') throw new Error(outcome.message);
  return outcome.index;
}

function payload(proposer: number, version: number): Uint8Array {
  const object: Lease = {
    id: `replica-${proposer}`,
    meta: { version: version as LogIndex, createdAt: 0 as never, updatedAt: 0 as never },
    stage: 'scheduler',
    nodeId: '',
    address: '',
  };
  const transaction: Transaction = {
    id: `${proposer}.${version}`,
    actor: { kind: 'system', name: 'bench' },
    reason: '',
    decidedAt: version as LogIndex,
    changes: [{ op: version === 0 ? 'create' : 'update', table: 'lease', object }],
  };
  const short = encodeTransaction(transaction);
  const reason = '.'.repeat(Math.max(0, recordBytes - short.length));
  return encodePayload(systemClock.now(), [encodeTransaction({ ...transaction, reason })]);
}
