import { readdirSync, readFileSync } from 'node:fs';

/** Of `/proc/<pid>/stat`, counted from the state, which follows the name (proc(5)). */
const fields = { user: 11, system: 12, childrenUser: 13, childrenSystem: 14 } as const;
/** Of the first line of `/proc/stat`: all that is not idle, waiting or somebody else's machine. */
const busyFields = { user: 1, nice: 2, system: 3, interrupts: 6, softInterrupts: 7 } as const;
/** The kernel tells processors' time in hundredths of a second, whatever its own clock. */
const microsPerTick = 10_000;

/**
 * Processors' time of the two ends and of what the kernel does with their packets: most of that is done in their
 * own time, the rest by the kernel's threads for soft interrupts. So other programs of a busy machine do not count.
 */
export class ProcessorTime {
  readonly #processes: readonly number[];

  constructor(servers: readonly number[]) {
    this.#processes = [...servers, ...softInterruptThreads()];
  }

  /** Microseconds so far; of clients when they have ended, as children of this process. */
  micros(): number {
    const own = statOf(process.pid);
    const ended = microsPerTick * (own(fields.childrenUser) + own(fields.childrenSystem));
    return this.#processes.reduce((sum, each) => sum + processMicros(each), ended);
  }
}

/** Microseconds that a process and its threads have worked so far. */
export function processMicros(process: number): number {
  const stat = statOf(process);
  return microsPerTick * (stat(fields.user) + stat(fields.system));
}

/** Microseconds that all processors have worked so far, whoever for. */
export function machineMicros(): number {
  const words = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/) ?? [];
  return microsPerTick * Object.values(busyFields).reduce((sum, at) => sum + Number(words[at]), 0);
}

function statOf(process: number): (field: number) => number {
  const text = readFileSync(`/proc/${process}/stat`, 'utf8');
  const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (field) => Number(words[field]);
}

function softInterruptThreads(): readonly number[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return numbers.filter(isSoftInterruptThread).map(Number);
}

function isSoftInterruptThread(process: string): boolean {
  try {
    return readFileSync(`/proc/${process}/comm`, 'utf8').startsWith('ksoftirqd/');
  } catch {
    // It has ended meanwhile.
    return false;
  }
}
