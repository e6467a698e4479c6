import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type NodeNetwork, nodeNetworkShape } from '@shoal/overlay';
import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { type EndpointRecord, endpointRecordShape } from '@shoal/state';
import { z } from 'zod';

/** How long a change may stay in memory alone, milliseconds: what is lost is heard again. */
const writeMsMax = 1_000;
const ownerOnly = 0o600;

const file = z.object({
  schema: z.literal(1),
  nodeId: z.string(),
  vtep: z.string(),
  networks: z.array(nodeNetworkShape),
  records: z.record(z.string(), z.array(endpointRecordShape)),
  hosts: z.array(z.object({ nodeId: z.string(), addr: z.string() })).default([]),
});

/** Another host and where its gossip is, without port. */
export interface RememberedHost {
  readonly nodeId: string;
  readonly addr: string;
}

/** What an agent that starts again goes on with until others tell it more. */
export interface Remembered {
  readonly vtep: string;
  readonly networks: readonly NodeNetwork[];
  /** By network id, those of this host included. */
  readonly records: Readonly<Record<string, readonly EndpointRecord[]>>;
  /** Some others, to find the rest by. */
  readonly hosts: readonly RememberedHost[];
}

/** Where a host's networks are kept, under the data directory. */
export function networksFile(dataDir: string): string {
  return join(dataDir, 'agent', 'networks.json');
}

/** The networks of this host over restarts of its agent. */
export class NetworkMemory {
  readonly #path: string;
  readonly #nodeId: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #due: Timer | undefined;
  #read: (() => Remembered) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, nodeId: string, clock: Clock, logger: Logger) {
    this.#path = path;
    this.#nodeId = nodeId;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Undefined when there is nothing of this node that can be read. */
  async load(): Promise<Remembered | undefined> {
    try {
      const content = file.parse(JSON.parse(await readFile(this.#path, 'utf8')));
      return content.nodeId === this.#nodeId ? content : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.#logger.warn({ reason: errorMessage(error) }, 'networks_file_unreadable');
      }
      return undefined;
    }
  }

  /** Writes what `read` says soon. */
  changed(read: () => Remembered): void {
    this.#read = read;
    this.#due ??= this.#clock.after(writeMsMax, () => void this.flush());
  }

  /** Resolves when everything is on the disk, or could not be written. */
  async flush(): Promise<void> {
    this.#due?.cancel();
    this.#due = undefined;
    const read = this.#read;
    this.#read = undefined;
    if (read !== undefined) this.#writing = this.#writing.then(() => this.#write(read()));
    await this.#writing;
  }

  async forget(): Promise<void> {
    this.#read = undefined;
    await this.flush();
    await rm(this.#path, { force: true });
  }

  async #write(remembered: Remembered): Promise<void> {
    const content = { schema: 1, nodeId: this.#nodeId, ...remembered };
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await replaceFile(this.#path, `${JSON.stringify(content)}\n`, ownerOnly);
    } catch (error) {
      this.#logger.warn({ reason: errorMessage(error) }, 'networks_not_kept');
    }
  }
}
