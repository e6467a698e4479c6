import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, type Sides, socketOf, withCpu } from './compare.ts';
import { crowdSeconds } from './crowd.ts';
import { waitsWhileListing } from './held-up.ts';
import { p99BesideIdle } from './idle.ts';
import { createRate, readRate } from './load.ts';
import { Machines } from './machines.ts';
import { type Figures, type Row, row, type Target } from './row.ts';
import { startShoal } from './shoal-side.ts';
import type { Side } from './side.ts';
import { startSwarm } from './swarm-side.ts';

const readMs = 3_000;
/** Long lists take a second each. */
const longReadMs = 10_000;
const createMs = 3_000;
const warmClients = 8;
const warmMs = 3_000;
const fewTasks = 1_000;
const idleConnections = 5_000;
const bytesPerMegabyte = 1_000_000;

export const targets = {
  tasks: { of: 'ratio', atLeast: 4 },
  creates: {
    1: { of: 'ratio', atLeast: 2 },
    3: { of: 'ratio', atLeast: 8 },
  },
  crowd: { of: 'ratio', atMost: 0.2 },
  memory: { of: 'ratio', atMost: 0.5 },
  heldUp: { of: 'ours', atMost: 50 },
  idle: { of: 'ours', atMost: 100 },
} as const satisfies Record<string, Target | Record<number, Target>>;

export interface Sizes {
  /** Runs of each side at each point, in turns; the best counts. */
  readonly rounds: number;
  /** Tasks of one create. */
  readonly crowd: number;
}

/** Both kinds of managers, so many of each, for as long as `work` takes. */
async function withSides<T>(managers: number, work: (sides: Sides) => Promise<T>): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-bench-api-'));
  const network = await Machines.make('shoal-bench', 2 * managers);
  const { machines } = network;
  const stops: (() => Promise<void>)[] = [];
  try {
    const ours = await startShoal(join(scratch, 'shoal'), machines.slice(0, managers));
    stops.push(() => ours.stop());
    const peer = await startSwarm(join(scratch, 'swarm'), machines.slice(managers));
    stops.push(() => peer.stop());
    return await work({ ours, peer });
  } finally {
    for (const stop of stops) await stop();
    await network.remove();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Lists with few tasks and with many; between them the time and memory that the many cost. */
export function measureLists({ rounds, crowd }: Sizes): Promise<readonly Row[]> {
  return withSides(1, async (sides) => {
    const rows: Row[] = [];
    // Also warms up both sides.
    await bothCrowds(sides, 'few', fewTasks);
    rows.push(...(await listRows(sides, rounds, fewTasks, readMs)));
    rows.push(await idleRow(sides));
    const before = memoryOf(sides);
    const { seconds, cpuMs } = await bothCrowds(sides, 'many', crowd);
    rows.push(row(`${crowd} tasks pending`, 's', seconds, targets.crowd, cpuMs));
    const after = memoryOf(sides);
    rows.push(row(`memory with ${fewTasks + crowd} tasks`, 'MB', after, targets.memory));
    const grown = { ours: after.ours - before.ours, peer: after.peer - before.peer };
    rows.push(row(`memory that ${crowd} tasks cost`, 'MB', grown));
    await bothCrowds(sides, 'more', crowd - fewTasks);
    rows.push(...(await listRows(sides, rounds, 2 * crowd, longReadMs)));
    rows.push(...(await heldUpRows(sides, 2 * crowd)));
    return rows;
  });
}

async function bothCrowds({ ours, peer }: Sides, name: string, count: number) {
  const one = (side: Side) => withCpu(side, () => crowdSeconds(socketOf(side), name, count));
  const of = await one(ours);
  const by = await one(peer);
  const each = (cpuSeconds: number): number => (1_000 * cpuSeconds) / count;
  const seconds: Figures = { ours: of.result, peer: by.result };
  const cpuMs: Figures = { ours: each(of.cpuSeconds), peer: each(by.cpuSeconds) };
  return { seconds, cpuMs };
}

function memoryOf({ ours, peer }: Sides) {
  return {
    ours: ours.memoryBytes() / bytesPerMegabyte,
    peer: peer.memoryBytes() / bytesPerMegabyte,
  };
}

async function listRows(
  sides: Sides,
  rounds: number,
  tasks: number,
  durationMs: number,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const path of ['/tasks', '/services', '/nodes'])
    for (const clients of [1, 16]) {
      // Sixteen copies of a long list are more than a client's machine takes.
      if (path === '/tasks' && tasks > fewTasks && clients > 1) continue;
      const { perSecond, cpuMs } = await compare(rounds, sides, (socket) =>
        readRate(socket, path, clients, path === '/tasks' ? durationMs : readMs),
      );
      const name = `GET ${path} ${tasks}${clients === 1 ? '' : `, ${clients} clients`}`;
      const target = path === '/tasks' && tasks === fewTasks ? targets.tasks : undefined;
      rows.push(row(name, 'per s', perSecond, target, cpuMs));
    }
  return rows;
}

async function idleRow({ ours, peer }: Sides): Promise<Row> {
  const p99 = (side: Side): Promise<number> =>
    p99BesideIdle(socketOf(side), '/services', idleConnections, readMs);
  const figures = { ours: await p99(ours), peer: await p99(peer) };
  return row(`GET /services beside ${idleConnections} idle, p99`, 'ms', figures, targets.idle);
}

async function heldUpRows({ ours, peer }: Sides, tasks: number): Promise<readonly Row[]> {
  const waits = await waitsWhileListing(socketOf(ours), '/tasks', '/services', longReadMs);
  const theirs = await waitsWhileListing(socketOf(peer), '/tasks', '/services', longReadMs).catch(
    () => undefined,
  );
  const during = `GET /services while ${tasks} tasks are listed`;
  return [
    row(`${during}, p99`, 'ms', { ours: waits.p99Ms, peer: theirs?.p99Ms ?? null }, targets.heldUp),
    row(`${during}, longest`, 'ms', { ours: waits.longestMs, peer: theirs?.longestMs ?? null }),
  ];
}

/** Creates of services without replicas, after some that only warm up. */
export function measureCreates(managers: 1 | 3, { rounds }: Sizes): Promise<readonly Row[]> {
  return withSides(managers, async (sides) => {
    const creates = (clients: number) => (socket: string, round: number) =>
      createRate(socket, `s${clients}-${round}`, clients, createMs);
    await compare(1, sides, (socket) => createRate(socket, 'warm', warmClients, warmMs));
    const rows: Row[] = [];
    for (const clients of [1, 8, 64]) {
      const { perSecond, cpuMs } = await compare(rounds, sides, creates(clients));
      const name = `POST /services/create ${clients}`;
      const at = managers === 1 ? '' : `, ${managers} managers`;
      rows.push(row(`${name}${at}`, 'per s', perSecond, targets.creates[managers], cpuMs));
    }
    return rows;
  });
}
