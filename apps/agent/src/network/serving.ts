import { type Clock, type Logger, pause } from '@shoal/runtime';
import type { HostFeed } from './feed.ts';
import type { NetworkMetrics } from './metrics.ts';
import type { OwnEndpoints } from './own-endpoints.ts';
import type { NetworkTables } from './tables.ts';
import { doneWithin } from './waits.ts';

/** Longest wait until all hosts send to a new task, or no longer to one that stops; milliseconds. */
export const acknowledgeMsMax = 2_000;
/** Longest wait for this host's own consumers before other hosts are told of a new task, milliseconds. */
const hereMsMax = 1_000;
/** Longest wait for what a task that stops has not answered yet, milliseconds. */
const answerMsMax = 2_000;
/** How often that is looked at, milliseconds. */
const answerPollMs = 25;

export interface ServingOptions {
  readonly own: OwnEndpoints;
  readonly tables: NetworkTables;
  readonly feed: HostFeed;
  /** Connections that others have to the container of a process. */
  readonly connections: (pid: number) => Promise<number>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NetworkMetrics;
}

/** Puts own tasks into service and takes them out of it, on every host of their networks. */
export class Serving {
  readonly #options: ServingOptions;

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  async serve(taskId: string): Promise<void> {
    await this.#setServing(taskId, 'serve');
  }

  /** `pid`: its first process; 0 when that is not known. */
  async drain(taskId: string, pid: number): Promise<void> {
    if (!this.#options.own.isServing(taskId)) return;
    await this.#setServing(taskId, 'drain');
    if (pid > 0) await this.#answered(taskId, pid);
  }

  /** Nothing new comes: waits for requests under way. Connections that stay open are not waited out. */
  async #answered(taskId: string, pid: number): Promise<void> {
    const { own, clock, connections } = this.#options;
    const end = clock.monotonic() + answerMsMax;
    while (own.has(taskId) && clock.monotonic() < end && (await connections(pid)) > 0) {
      await pause(clock, answerPollMs);
    }
  }

  /** Waits until every host goes by it, this one too. */
  async #setServing(taskId: string, what: 'serve' | 'drain'): Promise<void> {
    const { own, tables, clock, feed, metrics, logger } = this.#options;
    if (!own.setServing(taskId, what === 'serve')) return;
    const since = clock.monotonic();
    const missing = new Set<string>();
    const work = async (): Promise<void> => {
      const records = own.records(taskId);
      for (const record of records) tables.setOwn(record);
      const here = feed.settled();
      // Nobody sends to a container before its own host is ready for that.
      if (what === 'serve') await doneWithin(clock, hereMsMax, here);
      // As they are by now: the own consumers may have said that its clients cannot be shown to it.
      const pushes = own.records(taskId).map(async (record) => {
        // Gone meanwhile, or about to stop.
        if (!own.has(taskId) || own.isServing(taskId) !== record.serving) return;
        const outcome = await tables.push(record);
        for (const host of outcome.missing) missing.add(host);
      });
      await Promise.all([...pushes, here]);
    };
    const inTime = await doneWithin(clock, acknowledgeMsMax, work());
    const ms = clock.monotonic() - since;
    metrics.acknowledged(what, ms, missing.size);
    if (inTime && missing.size === 0) return;
    logger.warn({ task: taskId, what, missing: [...missing], ms }, 'network_not_acknowledged');
  }
}
