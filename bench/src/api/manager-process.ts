import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { inMachine, type Machine } from './machines.ts';

/** A process on one of the machines; what it says goes to a file. */
export class ManagerProcess {
  readonly #child: ChildProcess;
  readonly #log: string;

  constructor(
    machine: Machine,
    log: string,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    const [first, ...rest] = inMachine(machine);
    const file = openSync(log, 'a');
    this.#log = log;
    this.#child = spawn(first, [...rest, program, ...args], {
      stdio: ['ignore', file, file],
      env: { ...process.env, ...env },
    });
    closeSync(file);
  }

  /** What it said last, for errors. */
  get lastWords(): string {
    return readFileSync(this.#log, 'utf8').slice(-600);
  }

  /** Resident memory, what several processes share in equal parts; bytes. `nsenter` became the program itself. */
  get memoryBytes(): number {
    const memory = readFileSync(`/proc/${this.#child.pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB$/m.exec(memory)?.[1] ?? 0) * 1_024;
  }

  /** CPU time since its start, seconds. */
  get cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: the 14th and 15th field are user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    await ended;
    clearTimeout(kill);
  }
}

export function cpuSecondsOf(processes: readonly ManagerProcess[]): number {
  return processes.reduce((sum, one) => sum + one.cpuSeconds, 0);
}

const killAfterMs = 10_000;
/** What the kernel counts CPU time in, on every architecture that we know. */
const ticksPerSecond = 100;
