import type { Clock, Random, Timer } from '@shoal/runtime';
import type { Manager } from '../cluster/standing.ts';
import { Chunks } from './chunks.ts';
import { Feeds } from './feeds.ts';
import { readSliceMs, readsMax, ringsBytesMax, standingCheckMs } from './limits.ts';
import { LogFollower, type LogRequest, type SharedLogs } from './log-follower.ts';
import type { LogSource } from './log-source.ts';
import type { LogMetrics } from './metrics.ts';
import { Pump } from './pump.ts';
import { ServiceTasks } from './service-tasks.ts';
import { Turns } from './turns.ts';
import { Upstream } from './upstream.ts';

export interface LogHubOptions {
  readonly source: LogSource;
  /** Whether this host is still that manager. */
  readonly isCurrent: (manager: Manager) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: LogMetrics;
  /** Newest lines kept in memory, bytes. */
  readonly bytesMax?: number;
}

/** All clients that read logs through one manager's process, and what they share. */
class ManagerLogs {
  readonly manager: Manager;
  readonly #shared: SharedLogs;
  readonly #followers = new Set<LogFollower>();

  constructor(manager: Manager, options: LogHubOptions) {
    const { source, clock, random, metrics, bytesMax = ringsBytesMax } = options;
    this.manager = manager;
    const upstream = new Upstream(manager, source, random);
    const chunks = new Chunks();
    this.#shared = {
      upstream,
      chunks,
      feeds: new Feeds({ upstream, chunks, clock, metrics, bytesMax }),
      turns: new Turns({
        most: readsMax,
        sliceMs: readSliceMs,
        clock,
        onChange: (held, waiting) => metrics.reads(held, waiting),
      }),
      pump: new Pump(clock),
      tasks: new ServiceTasks(manager.replica, clock),
      clock,
      metrics,
    };
  }

  get followers(): number {
    return this.#followers.size;
  }

  follow(request: LogRequest): LogFollower {
    const follower: LogFollower = new LogFollower(this.#shared, request, () => {
      this.#followers.delete(follower);
      this.#shared.metrics.followers(this.#followers.size);
    });
    this.#followers.add(follower);
    this.#shared.metrics.followers(this.#followers.size);
    return follower;
  }

  stop(): void {
    for (const follower of [...this.#followers]) follower.cut();
    this.#shared.feeds.stop();
    this.#shared.turns.stop();
    this.#shared.tasks.stop();
  }
}

/** Where clients read logs. What they share lasts as long as this host is the same manager. */
export class LogHub {
  readonly #options: LogHubOptions;
  #logs: ManagerLogs | undefined;
  #check: Timer | undefined;

  constructor(options: LogHubOptions) {
    this.#options = options;
  }

  /** The caller starts it, and stops it when the client has left. */
  follow(manager: Manager, request: LogRequest): LogFollower {
    if (this.#logs?.manager !== manager) {
      this.stop();
      this.#logs = new ManagerLogs(manager, this.#options);
      this.#checkLater();
    }
    return this.#logs.follow(request);
  }

  /** Ends what is open: the host is no manager any more, or the process ends. */
  stop(): void {
    this.#check?.cancel();
    this.#check = undefined;
    this.#logs?.stop();
    this.#logs = undefined;
  }

  #checkLater(): void {
    this.#check = this.#options.clock.after(standingCheckMs, () => {
      const logs = this.#logs;
      if (logs === undefined) return;
      if (logs.followers > 0 && this.#options.isCurrent(logs.manager)) this.#checkLater();
      else this.stop();
    });
  }
}
