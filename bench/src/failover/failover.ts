import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { newId, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { RemoteReplica } from '@shoal/stage';
import type { Lease, Meta } from '@shoal/state';
import { VoterProcesses } from './voters.ts';

export interface FailoverResult {
  readonly runs: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

const voters = 3;

/**
 * kill -9 of the leader's process; the time until a client at another voter, which writes all the while, has
 * its next write acknowledged. With the product's own settings.
 */
export async function measureFailover(runs: number): Promise<FailoverResult> {
  const cluster = await VoterProcesses.start(voters);
  const times: number[] = [];
  try {
    for (let run = 0; run < runs; run += 1) times.push(await oneFailover(cluster));
  } finally {
    await cluster.stop();
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return { runs: times.length, medianMs: at(0.5), minMs: at(0), maxMs: at(1) };
}

async function oneFailover(cluster: VoterProcesses): Promise<number> {
  const leader = await cluster.settled();
  const survivor = cluster.members.find((member) => member !== leader);
  const victim = leader.process;
  if (survivor === undefined || victim === undefined) throw new Error('there is no other voter');
  const replica = new RemoteReplica({
    client: () => survivor.client,
    follower: 'bench',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  try {
    await replica.catchUp();
    // The way is warm, and the leader has just written.
    for (let at = 0; at < 5; at += 1) await write(replica);
    const killedAt = performance.now();
    victim.kill('SIGKILL');
    await write(replica);
    const tookMs = performance.now() - killedAt;
    if (victim.exitCode === null && victim.signalCode === null) await once(victim, 'exit');
    await cluster.begin(leader);
    await cluster.settled();
    return tookMs;
  } finally {
    replica.stop();
  }
}

async function write(replica: RemoteReplica): Promise<void> {
  const id = `bench@manager/${newId(systemRandom)}`;
  const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Meta;
  const object: Lease = { id, meta, stage: 'bench', nodeId: 'manager', address: '' };
  const result = await replica.propose([
    {
      id: newId(systemRandom),
      actor: { kind: 'system', name: 'bench' },
      reason: 'failover',
      decidedAt: replica.view.index,
      changes: [{ op: 'create', table: 'lease', object }],
    },
  ]);
  if (result.kind === 'failed') throw new Error(result.message);
  const [outcome] = result.outcomes;
  if (outcome?.kind !== 'committed') throw new Error(`not written: ${JSON.stringify(outcome)}`);
}
