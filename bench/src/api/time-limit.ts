import { setTimeout as pause } from 'node:timers/promises';

/** What `work` gives. @throws when that takes longer than `ms` milliseconds */
export async function within<T>(ms: number, about: string, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = pause(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`no end within ${ms / 1_000} s: ${about}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    ended.abort();
  }
}
