import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { nodeFlags } from './node-flags.ts';
import { RestingHeap } from './rest.ts';

const megabyte = 1_024 * 1_024;

/** A heap that shrinks to what lives when it is collected. */
class FakeHeap {
  committed = 20 * megabyte;
  used = 15 * megabyte;
  live = 10 * megabyte;
  busy = 0;
  collections = 0;
  readonly told: (readonly [number, number])[] = [];
  readonly #heap = new RestingHeap({
    size: () => ({ committed: this.committed, used: this.used }),
    busyShare: () => this.busy,
    collect: () => {
      this.collections += 1;
      this.committed = this.live;
      this.used = this.live;
    },
    collected: (before, after) => {
      this.told.push([before / megabyte, after / megabyte]);
    },
  });

  look(times: number): number {
    for (let time = 0; time < times; time += 1) this.#heap.look();
    return this.collections;
  }

  grow(committed: number): void {
    this.committed = committed * megabyte;
    this.used = this.committed;
  }
}

describe('a heap at rest', () => {
  test('is collected once, at the second look that finds it so', () => {
    const heap = new FakeHeap();
    expect(heap.look(1)).toBe(0);
    expect(heap.look(1)).toBe(1);
    expect(heap.look(100)).toBe(1);
    expect(heap.told).toEqual([[20, 10]]);
  });

  test('is collected again when it has grown', () => {
    const heap = new FakeHeap();
    heap.look(2);
    heap.grow(17);
    expect(heap.look(10)).toBe(1);
    heap.grow(18);
    expect(heap.look(10)).toBe(2);
  });

  test('is left alone while it is used', () => {
    const heap = new FakeHeap();
    heap.busy = 0.06;
    expect(heap.look(10)).toBe(0);
    heap.busy = 0.04;
    expect(heap.look(1)).toBe(0);
    heap.busy = 0.06;
    expect(heap.look(1)).toBe(0);
    heap.busy = 0.04;
    expect(heap.look(2)).toBe(1);
  });

  test('is left to V8 where a collection would take long', () => {
    const heap = new FakeHeap();
    heap.grow(257);
    expect(heap.look(10)).toBe(0);
    heap.grow(256);
    expect(heap.look(1)).toBe(1);
  });
});

function importable(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

test('a process that had a burst gives its memory back', () => {
  const program = `
    import { getHeapStatistics } from 'node:v8';
    import { systemClock } from ${importable('../clock.ts')};
    import { silentLogger } from ${importable('../logger.ts')};
    import { giveBackAtRest } from ${importable('./rest.ts')};
    giveBackAtRest(systemClock, silentLogger);
    let held = Array.from({ length: 400_000 }, (_, at) => ({ at, text: String(at) }));
    const high = getHeapStatistics().total_heap_size;
    held = held.slice(0, 10);
    const deadline = Date.now() + 60_000;
    const timer = setInterval(() => {
      const low = getHeapStatistics().total_heap_size;
      if (low > high / 2 && Date.now() < deadline) return;
      clearInterval(timer);
      process.stdout.write(JSON.stringify({ high, low, held: held.length }), () => process.exit());
    }, 100);
  `;
  const args = [
    ...nodeFlags('any'),
    '--conditions=@shoal/source',
    '--input-type=module',
    '-e',
    program,
  ];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  const { high, low } = JSON.parse(stdout) as { high: number; low: number };
  expect(high).toBeGreaterThan(20 * megabyte);
  expect(low).toBeLessThan(high / 2);
}, 90_000);
