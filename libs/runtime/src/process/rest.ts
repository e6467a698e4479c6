import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';

/** How often it is looked, milliseconds. */
const lookMs = 2_000;
/** A process rests while it is busy for less of the time than this. */
const busyShareMax = 0.05;
/** Looks in a row that must find it at rest. */
const restsMin = 2;
/** What the heap must have grown by since the last collection to be worth another, bytes. */
const grownBytesMin = 8 * 1_024 * 1_024;
/** A collection takes some 2 ms for each megabyte that lives, at most half a second; larger heaps are left to V8. */
const usedBytesMax = 256 * 1_024 * 1_024;

/** What a process's heap and its event loop look like. */
export interface HeapPorts {
  /** Memory of the heap, bytes. */
  size(): { readonly committed: number; readonly used: number };
  /** Share of the time since the last call that the event loop was busy, 0 to 1. */
  busyShare(): number;
  /** Collects all garbage and gives free pages back to the system. */
  collect(): void;
  /** Tells of it: what was committed before and is now, bytes. */
  collected(before: number, after: number): void;
}

/**
 * Gives memory back after a burst. V8 does that itself once a program rests, but takes none for one that rests in
 * Node.js: it reads "allocates nothing" of the embedder's own heap as "not known yet" (`ComputeMutatorUtilization`
 * for a speed of 0, V8 13.6; `--trace-memory-reducer` says `high alloc` for ever).
 */
export class RestingHeap {
  readonly #ports: HeapPorts;
  /** Committed after the last collection, bytes. */
  #floor = 0;
  #rests = 0;

  constructor(ports: HeapPorts) {
    this.#ports = ports;
  }

  /** Called from time to time. */
  look(): void {
    this.#rests = this.#ports.busyShare() > busyShareMax ? 0 : this.#rests + 1;
    if (this.#rests < restsMin) return;
    const { committed, used } = this.#ports.size();
    if (committed < this.#floor + grownBytesMin || used > usedBytesMax) return;
    this.#ports.collect();
    this.#floor = this.#ports.size().committed;
    this.#ports.collected(committed, this.#floor);
  }
}

/** This process; undefined where Node.js runs without `--expose-gc`. */
function ownHeap(logger: Logger): HeapPorts | undefined {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  let before = performance.eventLoopUtilization();
  return {
    size: () => {
      const { total_heap_size: committed, used_heap_size: used } = getHeapStatistics();
      return { committed, used };
    },
    busyShare: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    // The only kind that also lets go of pages that are half empty.
    collect: () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
    collected: (beforeBytes, afterBytes) =>
      logger.debug({ beforeBytes, afterBytes }, 'memory_given_back'),
  };
}

/** From now on this process gives memory back when it rests. It stands still for that, mostly a tenth of a second. */
export function giveBackAtRest(clock: Clock, logger: Logger): void {
  const ports = ownHeap(logger);
  if (ports === undefined) return;
  const heap = new RestingHeap(ports);
  const look = (): void => {
    heap.look();
    clock.after(lookMs, look);
  };
  clock.after(lookMs, look);
}
