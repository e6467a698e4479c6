import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { measureMs, rateOf } from './rate.ts';

/** What one durable write of the disk is measured with, bytes. */
const blockBytes = 4 * 1024;
/** The file is written over and over, never extended, as the log's segments are. */
const fileBytes = 64 * 1024 * 1024;

/** 4 KiB pwrite + fdatasync in a loop from Node, synchronously: nothing between the disk and us. */
export async function nodeDiskRate(directory: string): Promise<number> {
  const file = openSync(join(directory, 'disk-rate'), 'w+', 0o600);
  try {
    const zeros = Buffer.alloc(fileBytes);
    writeSync(file, zeros, 0, fileBytes, 0);
    fdatasyncSync(file);
    const block = Buffer.alloc(blockBytes, 1);
    let at = 0;
    return await rateOf(1, async (_, isOver, count) => {
      while (!isOver()) {
        writeSync(file, block, 0, blockBytes, at);
        fdatasyncSync(file);
        at = (at + blockBytes) % fileBytes;
        count(1);
      }
    });
  } finally {
    closeSync(file);
  }
}

/** The same from fio, the usual measure of a disk; undefined where fio is not installed. */
export async function fioDiskRate(directory: string): Promise<number | undefined> {
  const job = [
    '--name=fdatasync',
    `--filename=${join(directory, 'fio-rate')}`,
    '--ioengine=psync',
    '--rw=write',
    `--bs=${blockBytes}`,
    `--size=${fileBytes}`,
    '--fdatasync=1',
    '--overwrite=1',
    '--time_based',
    `--runtime=${measureMs}ms`,
    '--output-format=json',
  ];
  let printed: string;
  try {
    printed = (await promisify(execFile)('fio', job)).stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = JSON.parse(printed.slice(printed.indexOf('{'))) as {
    readonly jobs?: readonly { readonly write?: { readonly iops?: number } }[];
  };
  const rate = parsed.jobs?.[0]?.write?.iops;
  if (rate === undefined) throw new Error('fio did not report its writes per second');
  return rate;
}
