import { setTimeout as pause } from 'node:timers/promises';
import { errorMessage } from '@shoal/runtime';
import type { Load } from './load.ts';
import type { Figures } from './row.ts';
import type { Side } from './side.ts';

/** A side counts as at rest when it has used less of one processor, for so long. */
const restShare = 0.1;
const restMs = 250;
/** How long it is looked what a side uses at rest, once; milliseconds. */
const idleMs = 3_000;
/** Longest wait for a side to come to rest, milliseconds: on a busy machine, or with a lot left to do. */
const restMsMax = 20_000;

export interface Sides {
  readonly ours: Side;
  readonly peer: Side;
}

/** Best rates, and CPU time of one request over all rounds with what the managers do after it; milliseconds. */
export interface Compared {
  readonly perSecond: Figures;
  readonly cpuMs: Figures;
}

export type Measure = (socket: string, round: number) => Promise<Load>;

export function socketOf({ sockets: [first = ''] }: Side): string {
  return first;
}

/** Both sides in turns, each while the other is at rest; who begins changes from round to round. */
export async function compare(rounds: number, sides: Sides, measure: Measure): Promise<Compared> {
  const ours = new Tally(sides.ours);
  const peer = new Tally(sides.peer);
  for (let round = 0; round < rounds; round += 1)
    for (const tally of round % 2 === 0 ? [ours, peer] : [peer, ours]) {
      await atRest(tally === ours ? sides.peer : sides.ours);
      await tally.add(measure, round).catch((error: unknown) => {
        if (tally === ours) throw error;
        process.stderr.write(`Swarm mode cannot: ${errorMessage(error)}\n`);
        peer.isUnable = true;
      });
    }
  return {
    perSecond: { ours: ours.best, peer: peer.isUnable ? null : peer.best },
    cpuMs: { ours: ours.cpuMs, peer: peer.isUnable ? null : peer.cpuMs },
  };
}

/** What one side did in its rounds. */
class Tally {
  readonly #side: Side;
  #requests = 0;
  #cpuSeconds = 0;
  best = 0;
  isUnable = false;

  constructor(side: Side) {
    this.#side = side;
  }

  get cpuMs(): number {
    return (1_000 * this.#cpuSeconds) / this.#requests;
  }

  async add(measure: Measure, round: number): Promise<void> {
    if (this.isUnable) return;
    const { result, cpuSeconds } = await withCpu(this.#side, () =>
      measure(socketOf(this.#side), round),
    );
    this.#requests += result.requests;
    this.#cpuSeconds += cpuSeconds;
    this.best = Math.max(this.best, result.perSecond);
  }
}

/** CPU time of a side from the beginning of `work` until it is at rest again, beyond what it uses at rest. */
export async function withCpu<T>(
  side: Side,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpuSeconds: number }> {
  await atRest(side);
  const idle = await idleShare(side);
  const before = side.cpuSeconds();
  const begin = performance.now();
  const result = await work();
  await atRest(side);
  const beyond = side.cpuSeconds() - before - (idle * (performance.now() - begin)) / 1_000;
  return { result, cpuSeconds: Math.max(0, beyond) };
}

const idleShares = new WeakMap<Side, number>();

async function idleShare(side: Side): Promise<number> {
  const known = idleShares.get(side) ?? (await shareDuring(side, idleMs));
  idleShares.set(side, known);
  return known;
}

/** How much of one processor a side uses for so long. */
async function shareDuring(side: Side, ms: number): Promise<number> {
  const before = side.cpuSeconds();
  const begin = performance.now();
  await pause(ms);
  return (1_000 * (side.cpuSeconds() - before)) / (performance.now() - begin);
}

async function atRest(side: Side): Promise<void> {
  const end = performance.now() + restMsMax;
  while (performance.now() < end) if ((await shareDuring(side, restMs)) < restShare) return;
}
