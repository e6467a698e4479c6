import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';

/** How long a change that nobody waits for may stay in memory alone, milliseconds. */
const writeMsMax = 250;

const texts = z.record(z.string(), z.string());

const network = z.object({
  id: z.string(),
  name: z.string(),
  subnets: z.array(z.object({ subnet: z.string(), gateway: z.string(), vni: z.int() })),
  internal: z.boolean(),
  attachable: z.boolean(),
  ingress: z.boolean(),
  encrypted: z.boolean(),
  encryptedHosts: z
    .array(z.object({ nodeId: z.string(), vtep: z.string(), publicKey: z.string(), port: z.int() }))
    .optional(),
  mtu: z.int().optional(),
  dataPathPort: z.int(),
  balancerAddresses: z.array(z.string()),
  options: texts,
  labels: texts,
});

const endpoint = z.object({
  /** The engine's id of it. */
  id: z.string(),
  networkId: z.string(),
  /** Canonical, with prefix length. */
  addresses: z.array(z.string()),
  mac: z.string(),
  /** Path of the container's namespace; absent while it is not joined. */
  sandbox: z.string().optional(),
  /** As those of a task, for a container run by hand. */
  upstreams: z.array(z.string()).optional(),
});

const taskPlan = z.object({
  taskId: z.string(),
  /** In the order in which names are looked up. */
  networks: z.array(z.object({ networkId: z.string(), addresses: z.array(z.string()) })),
  /** What the user wants to be asked for names outside of the swarm, `address:port`. */
  upstreams: z.array(z.string()),
});

const attachment = z.object({
  networkId: z.string(),
  addresses: z.array(z.string()),
  /** Id of the attachment in the swarm's state. */
  endpointId: z.string(),
});

const content = z.object({
  schema: z.literal(1),
  own: z.object({ nodeId: z.string(), vtep: z.string() }).optional(),
  networks: z.array(network),
  /** From the engine's id of a network to ours. */
  engineNetworks: texts,
  endpoints: z.array(endpoint),
  tasks: z.array(taskPlan),
  attachments: z.array(attachment),
});

export type StateContent = Omit<z.output<typeof content>, 'schema'>;
export type PluggedEndpoint = z.output<typeof endpoint>;
export type TaskPlan = z.output<typeof taskPlan>;
export type AttachmentPlan = z.output<typeof attachment>;

const empty: StateContent = {
  networks: [],
  engineNetworks: {},
  endpoints: [],
  tasks: [],
  attachments: [],
};

/**
 * What the driver must know again after a restart, because the engine tells it only once. One small
 * file, replaced as a whole; changes that come soon after each other share a write. What a crash takes
 * before it was written is found out again: endpoints from the engine, tasks from their assignments.
 */
export class StateFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #content: () => StateContent;
  #changes = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #due: Timer | undefined;

  constructor(path: string, clock: Clock, logger: Logger, current: () => StateContent) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
    this.#content = current;
  }

  /** An unreadable file is put aside. */
  static async read(path: string, logger: Logger): Promise<StateContent> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      return content.parse(JSON.parse(await readFile(path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty;
      logger.error({ path, reason: errorMessage(error) }, 'overlay_state_unreadable');
      await rename(path, `${path}.unreadable`);
      return empty;
    }
  }

  changed(): void {
    this.#changes += 1;
    this.#due ??= this.#clock.after(writeMsMax, () => {
      this.#due = undefined;
      this.durable().catch((error: unknown) => {
        this.#logger.warn({ reason: errorMessage(error) }, 'overlay_state_not_kept');
      });
    });
  }

  /**
   * Resolves when all changes so far are on the disk.
   * @throws the file system's error.
   */
  async durable(): Promise<void> {
    const upTo = this.#changes;
    while (this.#written < upTo) await (this.#writing ?? this.#write());
  }

  async remove(): Promise<void> {
    this.#due?.cancel();
    this.#due = undefined;
    await this.#writing?.catch(() => undefined);
    this.#written = this.#changes;
    await rm(this.#path, { force: true });
  }

  #write(): Promise<void> {
    const upTo = this.#changes;
    this.#due?.cancel();
    this.#due = undefined;
    const text = `${JSON.stringify({ schema: 1, ...this.#content() })}\n`;
    this.#writing = replaceFile(this.#path, text, 0o600)
      .then(() => {
        this.#written = Math.max(this.#written, upTo);
      })
      .finally(() => {
        this.#writing = undefined;
      });
    return this.#writing;
  }
}
