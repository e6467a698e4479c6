import { join } from 'node:path';
import { type Entry, fileSystem, openLogStorage, type VoterId } from '@shoal/raft';
import { type LogIndex, silentLogger, systemRandom, type Term } from '@shoal/runtime';
import { rateOf } from './rate.ts';

export const recordBytes = 256;

/** `LogStorage.store` one after the other: groups per second of `records` entries each. */
export async function storeRate(directory: string, records: number): Promise<number> {
  const storage = await openLogStorage({
    directory: join(directory, `store-${records}`),
    disk: fileSystem,
    random: systemRandom,
    logger: silentLogger,
  });
  const data = systemRandom.bytes(recordBytes);
  const term = 1 as Term;
  const group = (after: number): readonly Entry[] =>
    Array.from({ length: records }, (_, at) => ({
      index: (after + at + 1) as LogIndex,
      term,
      kind: 'normal',
      data,
    }));
  try {
    return await rateOf(1, async (_, isOver, count) => {
      let last = 0;
      while (!isOver()) {
        const commit = last as LogIndex;
        const hardState = { term, vote: 1 as VoterId, commit };
        const result = await storage.store({ hardState, entries: group(last) });
        if (result.kind !== 'stored') throw new Error(result.error.message);
        last += records;
        count(1);
      }
    });
  } finally {
    await storage.close();
  }
}
