import { readdirSync, readFileSync } from 'node:fs';
import { type Clock, pause } from '@shoal/runtime';
import { supervisedMark } from '../host/plan.ts';

export interface Orphan {
  readonly pid: number;
  /** Its command line, for people. */
  readonly command: string;
}

/**
 * Living processes that a supervisor with this run directory started. They carry its mark in
 * their environment, so none is missed and no stranger with a reused pid is taken for one.
 */
export function findSupervised(runDir: string): readonly Orphan[] {
  const mark = `${supervisedMark}=${runDir}`;
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => readProc(entry, 'environ').includes(mark) && isMain(entry))
    .map((entry) => ({ pid: Number(entry), command: readProc(entry, 'cmdline').join(' ').trim() }));
}

/** Whether the pid is a process of ours itself, not something it started (which has the mark too). */
function isMain(entry: string): boolean {
  return readProc(entry, 'cmdline').some((word) => /\/apps\/[a-z-]+\/dist\/main\.mjs$/.test(word));
}

function readProc(entry: string, file: 'environ' | 'cmdline'): readonly string[] {
  try {
    return readFileSync(`/proc/${entry}/${file}`, 'utf8').split('\0');
  } catch {
    // Gone meanwhile, or not ours to read.
    return [];
  }
}

const pollMs = 50;

/** Asks the processes to end and kills those that did not within `graceMs`. */
export async function endProcesses(
  pids: readonly number[],
  clock: Clock,
  graceMs: number,
): Promise<void> {
  const deadline = clock.monotonic() + graceMs;
  for (const pid of pids) signal(pid, 'SIGTERM');
  let left = pids;
  for (;;) {
    left = left.filter((pid) => isAlive(pid));
    if (left.length === 0) return;
    if (clock.monotonic() > deadline) break;
    await pause(clock, pollMs);
  }
  for (const pid of left) signal(pid, 'SIGKILL');
}

/** A dead process that nobody has waited for counts as dead. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

/** Sends a signal; a process that has ended by itself is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH
  }
}
