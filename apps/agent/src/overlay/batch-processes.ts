import { statSync } from 'node:fs';
import type { Clock, Timer } from '@shoal/runtime';
import {
  type BatchLoss,
  type BatchOutcome,
  BatchProcess,
  type BatchTool,
} from './batch-process.ts';

/** How long a process without work stays, milliseconds. */
const idleMsMax = 10_000;
/** Processes at once; who finds none free has to do without. */
const processesMax = 64;

interface Running {
  readonly process: BatchProcess;
  /** Of the namespace, when the process entered it: another one may have its name by now. */
  readonly identity: string;
  idle: Timer | undefined;
}

export interface BatchProcessesOptions {
  readonly clock: Clock;
  readonly pathOf: (namespace: string) => string;
  readonly began: (tool: BatchTool) => void;
  readonly lost: (tool: BatchTool, reason: BatchLoss) => void;
}

/** Tools that stay for a while, one of each kind in each namespace in which there is something to do. */
export class BatchProcesses {
  readonly #options: BatchProcessesOptions;
  readonly #running = new Map<string, Running>();
  /** Processes that are on their way out, with the namespace that they still hold. */
  readonly #ending = new Map<Promise<void>, string>();
  #closed = false;

  constructor(options: BatchProcessesOptions) {
    this.#options = options;
  }

  /** Tries each of the lines; undefined: none was tried, since no process can be had for them. */
  async run(
    tool: BatchTool,
    namespace: string,
    lines: readonly string[],
  ): Promise<BatchOutcome | undefined> {
    const running = this.#ensure(tool, namespace);
    if (running === undefined) return undefined;
    const outcome = await running.process.run(lines);
    if (outcome === 'done') {
      this.#idleFrom(running, tool, namespace);
      return outcome;
    }
    // It may remember numbers of devices that are gone.
    if (this.#running.get(keyOf(tool, namespace)) === running) void this.#end(tool, namespace);
    if (outcome !== 'refused') this.#options.lost(tool, outcome);
    return outcome;
  }

  /** Begins the process before there is something to do. */
  warm(tool: BatchTool, namespace: string): void {
    const running = this.#ensure(tool, namespace);
    if (running !== undefined) this.#idleFrom(running, tool, namespace);
  }

  /** Resolves when no process of ours holds the namespace any more. */
  async leave(namespace: string): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const tool of ['ip', 'bridge'] as const) ends.push(this.#end(tool, namespace));
    for (const [end, held] of this.#ending) if (held === namespace) ends.push(end);
    await Promise.all(ends);
  }

  /** Begins nothing any more. Resolves when no process is left. */
  async close(): Promise<void> {
    this.#closed = true;
    const ends = [...this.#running.values()].map(({ process, idle }) => {
      idle?.cancel();
      return process.end();
    });
    this.#running.clear();
    await Promise.all([...ends, ...this.#ending.keys()]);
  }

  #ensure(tool: BatchTool, namespace: string): Running | undefined {
    const { clock, pathOf, began } = this.#options;
    const path = pathOf(namespace);
    const found = statSync(path, { throwIfNoEntry: false });
    const identity = `${found?.dev} ${found?.ino}`;
    const known = this.#running.get(keyOf(tool, namespace));
    if (found !== undefined && known?.identity === identity && !known.process.isOver) return known;
    if (known !== undefined) void this.#end(tool, namespace);
    if (found === undefined || this.#closed || this.#running.size >= processesMax) return undefined;
    const process = new BatchProcess(tool, path, clock);
    const running: Running = { process, identity, idle: undefined };
    this.#running.set(keyOf(tool, namespace), running);
    began(tool);
    return running;
  }

  #idleFrom(running: Running, tool: BatchTool, namespace: string): void {
    running.idle?.cancel();
    if (this.#running.get(keyOf(tool, namespace)) !== running) return;
    running.idle = this.#options.clock.after(idleMsMax, () => void this.#end(tool, namespace));
  }

  async #end(tool: BatchTool, namespace: string): Promise<void> {
    const key = keyOf(tool, namespace);
    const running = this.#running.get(key);
    if (running === undefined) return;
    this.#running.delete(key);
    running.idle?.cancel();
    const end = running.process.end();
    this.#ending.set(end, namespace);
    await end;
    this.#ending.delete(end);
  }
}

function keyOf(tool: BatchTool, namespace: string): string {
  return `${tool} ${namespace}`;
}
