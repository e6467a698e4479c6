import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorMessage, newId, systemRandom } from '@shoal/runtime';
import { syncDirectory } from '@shoal/runtime/durable-file';
import { CommandError } from '../terminal.ts';

/** The name for standard output and input. */
export const standard = '-';

/**
 * Writes members of a folder as a compressed archive of tar. A file is there whole or not at all, for its owner's eyes
 * alone. @throws CommandError
 */
export async function pack(
  folder: string,
  members: readonly string[],
  file: string,
): Promise<void> {
  const tar = ['-C', folder, '-czf', '-', ...members];
  if (file === standard) return runTar(tar, { from: undefined, to: process.stdout });
  const path = resolve(file);
  // Where others may write too, nothing of theirs is written to, and no link of theirs followed.
  const partial = `${path}.${newId(systemRandom)}`;
  const to = createWriteStream(partial, { mode: 0o600, flags: 'wx' });
  try {
    await runTar(tar, { from: undefined, to });
    const handle = await open(partial, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(partial, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(partial, { force: true });
    throw error instanceof CommandError ? error : new CommandError(errorMessage(error));
  }
}

/** @throws CommandError */
export async function unpack(
  file: string,
  folder: string,
  members: readonly string[],
): Promise<void> {
  const tar = ['-C', folder, '--no-same-owner', '-xzf', '-', ...members];
  try {
    const from = file === standard ? process.stdin : createReadStream(file);
    await runTar(tar, { from, to: undefined });
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${errorMessage(error)}`);
  }
}

/** @throws CommandError with what tar says; the streams' error. */
async function runTar(
  args: readonly string[],
  {
    from,
    to,
  }: {
    readonly from: NodeJS.ReadableStream | undefined;
    readonly to: NodeJS.WritableStream | undefined;
  },
): Promise<void> {
  const tar = spawn('tar', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  tar.stderr.on('data', (text: Buffer) => {
    said += text.toString('utf8');
  });
  const ended = new Promise<number | null>((done, failed) => {
    tar.once('error', failed);
    tar.once('close', done);
  });
  const fed = from === undefined ? void tar.stdin.end() : pipeline(from, tar.stdin);
  const read = to === undefined ? void tar.stdout.resume() : pipeline(tar.stdout, to);
  const [code, ...flows] = await Promise.allSettled([ended, fed, read]);
  if (code.status === 'rejected') throw new CommandError(`tar: ${errorMessage(code.reason)}`);
  // What ends early breaks the pipe to it, and has said why.
  for (const flow of flows)
    if (flow.status === 'rejected' && flow.reason?.code !== 'EPIPE') throw flow.reason;
  if (code.value !== 0) throw new CommandError(`tar: ${said.trim().split('\n')[0] ?? ''}`);
}
