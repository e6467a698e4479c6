import type { ContainerUsage } from '@shoal/docker-api';
import type { Clock, Monotonic, Timer } from '@shoal/runtime';
import { loadPeriodMs, type TaskLoad } from '@shoal/state';
import { Limiter } from '../executor/limiter.ts';

/** Containers that are asked about at the same time. */
const atOnce = 8;
/** What the engine has not said by then is not known in this period, milliseconds. */
const readMsMax = 4_000;
/** A share that is measured over less says little, milliseconds. */
const spanMsMin = loadPeriodMs / 2;
/** What changes by less is not told: each report is an entry of the log. */
const tellsFrom = { share: 0.05, processors: 0.005, memoryBytes: 1 << 20 } as const;

/** A container whose task is to be measured. */
export interface Measured {
  readonly taskId: string;
  readonly containerId: string;
}

export interface LoadMeterOptions {
  readonly measured: () => readonly Measured[];
  readonly usageOf: (
    containerId: string,
    signal: AbortSignal,
  ) => Promise<ContainerUsage | undefined>;
  /** Undefined: what was told before is so no longer. */
  readonly tell: (taskId: string, load: TaskLoad | undefined) => void;
  readonly clock: Clock;
}

interface Reading {
  readonly containerId: string;
  readonly at: Monotonic;
  readonly cpuSeconds: number;
}

/** Measures once in each period, when the wall clock begins one, what tasks use that are scaled by it. */
export class LoadMeter {
  readonly #options: LoadMeterOptions;
  #readings = new Map<string, Reading>();
  readonly #told = new Map<string, TaskLoad>();
  readonly #end = new AbortController();
  #timer: Timer | undefined;

  constructor(options: LoadMeterOptions) {
    this.#options = options;
    this.#again();
  }

  /** What was last told of the task. */
  load(taskId: string): TaskLoad | undefined {
    return this.#told.get(taskId);
  }

  stop(): void {
    this.#end.abort();
    this.#timer?.cancel();
  }

  #again(): void {
    if (this.#end.signal.aborted) return;
    const { clock } = this.#options;
    const restMs = loadPeriodMs - (clock.now() % loadPeriodMs);
    this.#timer = clock.after(restMs, async () => {
      await this.#measure();
      this.#again();
    });
  }

  async #measure(): Promise<void> {
    const { measured, clock } = this.#options;
    const before = this.#readings;
    this.#readings = new Map();
    const patience = new AbortController();
    const stop = (): void => patience.abort();
    this.#end.signal.addEventListener('abort', stop);
    const timer = clock.after(readMsMax, stop);
    const tasks = measured();
    const places = new Limiter(atOnce);
    await Promise.all(
      tasks.map((task) =>
        places.run(async () => {
          const load = await this.#read(task, before.get(task.taskId), patience.signal);
          this.#tell(task.taskId, load);
        }),
      ),
    );
    timer.cancel();
    this.#end.signal.removeEventListener('abort', stop);
    const ids = new Set(tasks.map(({ taskId }) => taskId));
    for (const taskId of this.#told.keys()) if (!ids.has(taskId)) this.#tell(taskId, undefined);
  }

  async #read(
    { taskId, containerId }: Measured,
    before: Reading | undefined,
    signal: AbortSignal,
  ): Promise<TaskLoad | undefined> {
    if (signal.aborted) return undefined;
    const usage = await this.#options.usageOf(containerId, signal);
    if (usage?.cpuSeconds === undefined || usage.memoryBytes === undefined) return undefined;
    const { cpuSeconds, memoryBytes } = usage;
    const at = this.#options.clock.monotonic();
    const isSame = before?.containerId === containerId;
    if (isSame && at - before.at < spanMsMin) {
      this.#readings.set(taskId, before);
      return this.#told.get(taskId);
    }
    this.#readings.set(taskId, { containerId, at, cpuSeconds });
    if (!isSame) return undefined;
    const share = ((cpuSeconds - before.cpuSeconds) * 1_000) / (at - before.at);
    return { processors: Math.max(Math.round(share * 1_000) / 1_000, 0), memoryBytes };
  }

  #tell(taskId: string, load: TaskLoad | undefined): void {
    const told = this.#told.get(taskId);
    if (this.#end.signal.aborted || isAlike(told, load)) return;
    if (load === undefined) this.#told.delete(taskId);
    else this.#told.set(taskId, load);
    this.#options.tell(taskId, load);
  }
}

function isAlike(told: TaskLoad | undefined, load: TaskLoad | undefined): boolean {
  if (told === undefined || load === undefined) return told === load;
  const within = (measure: 'processors' | 'memoryBytes'): boolean =>
    Math.abs(load[measure] - told[measure]) <=
    Math.max(told[measure] * tellsFrom.share, tellsFrom[measure]);
  return within('processors') && within('memoryBytes');
}
