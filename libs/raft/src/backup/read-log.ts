import type { Instant, Logger, LogIndex, Random } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { type CipherKey, recordCipher } from '../cipher.ts';
import type { Disk } from '../disk/disk.ts';
import { VoterMachine } from '../service/voter-machine.ts';
import { openLogStorage } from '../wal/log-storage.ts';

/** The state that a voter would begin with which is given the log and no others. */
export interface CopiedState {
  /** Of the newest entry. */
  readonly index: LogIndex;
  /** When that was proposed. */
  readonly time: Instant;
  readonly view: StateView;
}

/**
 * Reads a log that no voter has, as one that begins with it would: all files are checked, and every entry is applied,
 * also those that no other voter is known to have.
 * @throws CorruptStorageError naming file and offset; StateFormatError; DirectoryLockedError; DiskError
 */
export async function readLog(options: {
  readonly disk: Disk;
  readonly directory: string;
  /** The oldest first; none for a plain log. */
  readonly keys: readonly CipherKey[];
  readonly random: Random;
  readonly logger: Logger;
}): Promise<CopiedState> {
  const { keys, ...rest } = options;
  const sealing = keys.length === 0 ? {} : { cipher: recordCipher(keys, options.random) };
  const storage = await openLogStorage({ ...rest, ...sealing });
  try {
    const { snapshot, entries } = storage.recovered;
    const machine = new VoterMachine();
    if (snapshot !== undefined) await machine.restore(storage.readSnapshot());
    for (const entry of entries) if (entry.kind === 'normal') machine.apply(entry);
    const index = entries.at(-1)?.index ?? snapshot?.index ?? (0 as LogIndex);
    return { index, time: machine.time, view: machine.view };
  } finally {
    await storage.close();
  }
}
