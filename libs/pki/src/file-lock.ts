import { open, readFile, readlink, rm } from 'node:fs/promises';
import { type Clock, isDeadProcess, newId, pause, systemClock, systemRandom } from '@shoal/runtime';

/**
 * A holder works for milliseconds: one that stays the same for so long is dead. Who waits measures it, as the
 * wall clocks of hosts jump.
 */
const holderMsMax = 10_000;
const waitMsMax = 25_000;
const tryAgainMs = 20;

/**
 * Does `work` while nobody else of the host does theirs under the same lock file. A holder that died is
 * known by its process number, or where that says nothing (another container) by its patience.
 * @throws when the lock is not to be had, and what `work` throws.
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  const own = `${await processSpace()} ${process.pid} ${newId(systemRandom)}`;
  await take(path, own, clock);
  try {
    return await work();
  } finally {
    // Somebody who took us for dead holds it now: theirs must stay.
    if ((await holderOf(path)) === own) await rm(path, { force: true });
  }
}

async function take(path: string, own: string, clock: Clock): Promise<void> {
  const start = clock.monotonic();
  let seen: string | undefined;
  let seenSince = start;
  while (!(await create(path, own))) {
    const now = clock.monotonic();
    if (now - start > waitMsMax) throw new Error(`${path} is held by another process`);
    const holder = await holderOf(path);
    if (holder !== seen) {
      seen = holder;
      seenSince = now;
    }
    if (holder !== undefined && (now - seenSince > holderMsMax || (await isDead(holder))))
      await discard(path, holder, clock);
    else await pause(clock, tryAgainMs);
  }
}

async function create(path: string, own: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(own);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function holderOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Process numbers mean something only among processes that share them. */
async function isDead(holder: string): Promise<boolean> {
  const [space, pid] = holder.split(' ');
  if (space !== (await processSpace()) || !(Number(pid) > 0)) return false;
  return isDeadProcess(Number(pid));
}

/** Names the space in which this process has its number, `pid:[…]`. */
async function processSpace(): Promise<string> {
  try {
    return await readlink('/proc/self/ns/pid');
  } catch {
    return 'unknown';
  }
}

/**
 * Of those who find the same holder dead one takes its file away at a time, and only that file: what the next one
 * finds there is another holder's, who lives.
 */
async function discard(path: string, holder: string, clock: Clock): Promise<void> {
  const ofHolder = `${path}.${holder.split(' ').at(-1)}`;
  await withFileLock(
    ofHolder,
    async () => {
      if ((await holderOf(path)) === holder) await rm(path, { force: true });
    },
    clock,
  );
}
