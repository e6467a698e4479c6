import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

const blockBytes = 4096;
const fileBytes = 16 * 1024 * 1024;
const durationMs = 2_000;

/** What the disk itself can do: writes of 4 KiB, each flushed before the next, per second. */
export function flushRate(directory: string): number {
  const file = openSync(join(directory, 'flush'), 'w');
  try {
    writeSync(file, Buffer.alloc(fileBytes));
    fdatasyncSync(file);
    const block = Buffer.alloc(blockBytes, 1);
    const begin = performance.now();
    let count = 0;
    while (performance.now() - begin < durationMs) {
      writeSync(file, block, 0, blockBytes, (count * blockBytes) % fileBytes);
      fdatasyncSync(file);
      count += 1;
    }
    return (count * 1000) / (performance.now() - begin);
  } finally {
    closeSync(file);
  }
}
