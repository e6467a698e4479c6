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
  /** Absent in files of older agents. */
  boot: z.string().optional(),
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

export interface NetworkMemoryOptions {
  readonly path: string;
  readonly nodeId: string;
  /** Other after each start of the machine. */
  readonly boot: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** No container outlives its machine: whoever has their addresses by now is not to lose them. */
function withoutTasksOf(nodeId: string, records: Remembered['records']): Remembered['records'] {
  const isGone = (record: EndpointRecord): boolean =>
    record.kind === 'task' && record.nodeId === nodeId;
  return Object.fromEntries(
    Object.entries(records).map(([id, all]) => [id, all.filter((each) => !isGone(each))]),
  );
}

/** The networks of this host over restarts of its agent. */
export class NetworkMemory {
  readonly #path: string;
  readonly #nodeId: string;
  readonly #boot: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #due: Timer | undefined;
  #read: (() => Remembered) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor({ path, nodeId, boot, clock, logger }: NetworkMemoryOptions) {
    this.#path = path;
    this.#nodeId = nodeId;
    this.#boot = boot;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Undefined when there is nothing of this node that can be read. */
  async load(): Promise<Remembered | undefined> {
    try {
      const content = file.parse(JSON.parse(await readFile(this.#path, 'utf8')));
      if (content.nodeId !== this.#nodeId) return undefined;
      return content.boot === undefined || content.boot === this.#boot
        ? content
        : { ...content, records: withoutTasksOf(this.#nodeId, content.records) };
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
    const content = { schema: 1, nodeId: this.#nodeId, boot: this.#boot, ...remembered };
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await replaceFile(this.#path, `${JSON.stringify(content)}\n`, ownerOnly);
    } catch (error) {
      this.#logger.warn({ reason: errorMessage(error) }, 'networks_not_kept');
    }
  }
}
