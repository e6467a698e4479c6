import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '@shoal/runtime';
import { type IdentityState, identityDirectory, identityFile, loadIdentity } from './identity.ts';
import { keysFileName } from './keys-file.ts';
import { unlockFilePath } from './runtime-directory.ts';

/** How late a change is seen where the file system does not tell of it, milliseconds. */
export const pollMs = 1_000;
/** Pause between looks where the file system tells of changes, milliseconds: it may miss some. */
const toldPollMs = 5_000;
/** A writer is given this long to finish what it began, milliseconds. */
const settleMs = 20;

/**
 * Tells `listener` the identity now and after each change. Works before the folder exists and after it
 * is gone. Gives back the end of the watch.
 */
export function watchIdentity(
  dataDir: string,
  clock: Clock,
  listener: (state: IdentityState) => void,
): () => void {
  const watcher = new IdentityWatcher(dataDir, clock, listener);
  watcher.check();
  return () => watcher.close();
}

class IdentityWatcher {
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #listener: (state: IdentityState) => void;
  #seen: string | undefined;
  #told: IdentityState | undefined;
  #checking = false;
  #again = false;
  #closed = false;
  #timer: Timer | undefined;
  #files: FSWatcher | undefined;
  /** Inode of the folder that `#files` watches. */
  #watched: bigint | undefined;

  constructor(dataDir: string, clock: Clock, listener: (state: IdentityState) => void) {
    this.#dataDir = dataDir;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Looks once; a wish that comes meanwhile is served by one more look. */
  check(): void {
    if (this.#closed) return;
    if (this.#checking) {
      this.#again = true;
      return;
    }
    this.#checking = true;
    this.#timer?.cancel();
    void this.#look().finally(() => {
      this.#checking = false;
      const soon = this.#again;
      this.#again = false;
      this.#arm(soon ? settleMs : this.#isTold() ? toldPollMs : pollMs);
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#files?.close();
  }

  /** Of everything that matters now: what opens locked keys lies in another folder. */
  #isTold(): boolean {
    return this.#watched !== undefined && this.#told?.kind === 'complete';
  }

  #arm(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => this.check());
  }

  async #look(): Promise<void> {
    await this.#watchFiles();
    const stamp = await this.#stamp();
    if (stamp === this.#seen) return;
    const state = await loadIdentity(this.#dataDir);
    // A change between the stamp and the load shows as another stamp at the next look.
    if (this.#closed) return;
    this.#seen = stamp;
    // A change of the files need not be one of the identity: keys are wrapped, what is no longer needed goes.
    if (isDeepStrictEqual(state, this.#told)) return;
    this.#told = state;
    this.#listener(state);
  }

  /** Keys change by a lock, and are opened by what lies in the runtime directory. */
  async #stamp(): Promise<string> {
    const node = await stampOf(identityFile(this.#dataDir));
    if (!node.includes(' ')) return node;
    const keys = join(identityDirectory(this.#dataDir), keysFileName);
    const others = await Promise.all([keys, unlockFilePath(this.#dataDir)].map(stampOf));
    return [node, ...others].join(', ');
  }

  /** Watches the identity's folder, or the folder above until there is one. */
  async #watchFiles(): Promise<void> {
    for (const directory of [identityDirectory(this.#dataDir), this.#dataDir]) {
      const inode = await inodeOf(directory);
      if (inode === undefined) continue;
      if (this.#watched === inode || this.#closed) return;
      this.#files?.close();
      this.#watched = undefined;
      try {
        this.#files = watch(directory, () => this.#noticed());
        this.#files.on('error', () => {
          this.#watched = undefined;
        });
        this.#watched = inode;
      } catch {
        // Gone again, or no watches left: the poll sees the changes too, only later.
      }
      return;
    }
  }

  #noticed(): void {
    if (this.#checking) this.#again = true;
    else this.#arm(settleMs);
  }
}

/** Tells one folder from another of the same name. */
async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch {
    return undefined;
  }
}

/** Changes whenever the identity is written: writers replace `node.json` last, by a new file. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
