import type { Monotonic } from '@shoal/runtime';
import { expect, it } from 'vitest';
import { QuickWrites, quickBytesMax, quickMsMax, quickSeenMin, stallMs } from './quick-writes.ts';

class Disk {
  now = 0;
  readonly writes = new QuickWrites({ monotonic: () => this.now as Monotonic });

  write(bytes: number, ms: number): void {
    const begun = this.writes.begin();
    this.now += ms;
    this.writes.ended(bytes, begun);
  }
}

function provenDisk(): Disk {
  const disk = new Disk();
  for (let count = 0; count < quickSeenMin; count += 1) disk.write(600, 0.25);
  return disk;
}

it('waits for a small write itself once the disk has proved quick', () => {
  const disk = new Disk();
  for (let count = 0; count < quickSeenMin; count += 1) {
    expect(disk.writes.allows(600)).toBe(false);
    disk.write(600, 0.25);
  }
  expect(disk.writes.allows(600)).toBe(true);
  expect(disk.writes.allows(quickBytesMax + 1)).toBe(false);
});

it('bears a write now and then that takes longer', () => {
  const disk = provenDisk();
  disk.write(600, 5 * quickMsMax);
  expect(disk.writes.allows(600)).toBe(true);
});

it('leaves it to another thread while the disk is slow on average', () => {
  const disk = provenDisk();
  for (let count = 0; count < quickSeenMin; count += 1) disk.write(600, 2 * quickMsMax);
  expect(disk.writes.allows(600)).toBe(false);
  for (let count = 0; count < quickSeenMin; count += 1) disk.write(600, 0.25);
  expect(disk.writes.allows(600)).toBe(true);
});

it('begins anew after one write that stood still', () => {
  const disk = provenDisk();
  disk.write(600, stallMs);
  for (let count = 0; count < quickSeenMin; count += 1) {
    expect(disk.writes.allows(600)).toBe(false);
    disk.write(600, quickMsMax);
  }
  expect(disk.writes.allows(600)).toBe(true);
});

it('does not learn from large writes', () => {
  const disk = provenDisk();
  disk.write(quickBytesMax + 1, 100);
  expect(disk.writes.allows(600)).toBe(true);
});
