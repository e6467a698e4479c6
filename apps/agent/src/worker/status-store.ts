import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, errorMessage, type Instant, type Logger, type Timer } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { type TaskStatus, taskStateRank } from '@shoal/state';
import { z } from 'zod';

const states = Object.keys(taskStateRank) as (keyof typeof taskStateRank)[];

const instant = z.custom<Instant>((value) => Number.isSafeInteger(value), 'no time');
const port = z.looseObject({
  Name: z.string().optional(),
  Protocol: z.enum(['tcp', 'udp', 'sctp']),
  TargetPort: z.int(),
  PublishedPort: z.int().optional(),
  PublishMode: z.enum(['ingress', 'host']),
});
const status: z.ZodType<TaskStatus> = z.looseObject({
  state: z.enum(states),
  at: instant,
  message: z.string(),
  err: z.string(),
  container: z.looseObject({ id: z.string(), pid: z.int(), exitCode: z.int() }).optional(),
  startedAt: instant.optional(),
  ports: z.array(port).optional(),
});

/** How long a change that nobody waits for may stay in memory alone, milliseconds. */
const writeMsMax = 500;

const file = z.object({
  schema: z.literal(1),
  nodeId: z.string(),
  tasks: z.record(z.string(), status),
});

/**
 * What this agent last observed of each of its tasks, kept over restarts: the word of the node on them.
 * One small file, replaced as a whole; changes that come soon after each other share a write. What a
 * crash takes before it was written is found out from the engine again.
 */
export class StatusStore {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #nodeId = '';
  readonly #statuses = new Map<string, TaskStatus>();
  /** Changes so far, and how many of them are on the disk. */
  #changes = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #due: Timer | undefined;

  private constructor(path: string, logger: Logger, clock: Clock) {
    this.#path = path;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** An unreadable file is put aside: what runs is then found out from the engine. */
  static async open(path: string, logger: Logger, clock: Clock): Promise<StatusStore> {
    const store = new StatusStore(path, logger, clock);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      const content = file.parse(JSON.parse(await readFile(path, 'utf8')));
      store.#nodeId = content.nodeId;
      for (const [id, each] of Object.entries(content.tasks)) {
        store.#statuses.set(id, each);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return store;
      logger.error({ path, reason: errorMessage(error) }, 'status_file_unreadable');
      await rename(path, `${path}.unreadable`);
    }
    return store;
  }

  /** The node the statuses are of; empty when there are none. */
  get nodeId(): string {
    return this.#nodeId;
  }

  get(taskId: string): TaskStatus | undefined {
    return this.#statuses.get(taskId);
  }

  get taskIds(): readonly string[] {
    return [...this.#statuses.keys()];
  }

  /** What was kept belongs to `nodeId` from now on; statuses of another node are dropped. */
  belongTo(nodeId: string): void {
    if (this.#nodeId === nodeId) return;
    this.#nodeId = nodeId;
    this.#statuses.clear();
    this.#changed();
  }

  put(taskId: string, next: TaskStatus): void {
    this.#statuses.set(taskId, next);
    this.#changed();
  }

  delete(taskId: string): void {
    if (this.#statuses.delete(taskId)) this.#changed();
  }

  /**
   * Resolves when everything put so far is on the disk.
   * @throws the file system's error.
   */
  async durable(): Promise<void> {
    const upTo = this.#changes;
    while (this.#written < upTo) await (this.#writing ?? this.#write());
  }

  /** Forgets everything, also on the disk. */
  async clear(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    this.#nodeId = '';
    this.#statuses.clear();
    this.#written = this.#changes;
    this.#due?.cancel();
    this.#due = undefined;
    await rm(this.#path, { force: true });
  }

  #changed(): void {
    this.#changes += 1;
    this.#writeSoon();
  }

  #writeSoon(): void {
    this.#due ??= this.#clock.after(writeMsMax, () => {
      this.#due = undefined;
      // A write under way sees to what came after it.
      if (this.#writing !== undefined || this.#written >= this.#changes) return;
      this.#write().catch((error: unknown) => {
        this.#logger.warn({ path: this.#path, reason: errorMessage(error) }, 'status_not_kept');
      });
    });
  }

  #write(): Promise<void> {
    const upTo = this.#changes;
    this.#due?.cancel();
    this.#due = undefined;
    const content = {
      schema: 1,
      nodeId: this.#nodeId,
      tasks: Object.fromEntries(this.#statuses),
    };
    this.#writing = replaceFile(this.#path, `${JSON.stringify(content)}\n`, 0o600)
      .then(() => {
        this.#written = Math.max(this.#written, upTo);
      })
      .finally(() => {
        this.#writing = undefined;
        if (this.#written === upTo && this.#changes > upTo) this.#writeSoon();
      });
    return this.#writing;
  }
}
