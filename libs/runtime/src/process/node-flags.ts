/** A process that rests gives memory back, see `rest.ts`. */
const givingBack = '--expose-gc';

/**
 * With little memory, for a manager keeps six copies of the state.
 *
 * - Space for young objects, MiB: V8 keeps three times as much. With its own default of 16 a replica of 50 000 tasks
 *   takes 150 MB, with 4 it takes 88, and no more CPU time.
 * - How far the heap may grow beyond what lived at the last collection, percent. By itself V8 lets a small heap grow
 *   to four times that; a manager with 50 000 tasks takes a tenth less memory with double, and 2 % more CPU time.
 * - Young objects are collected by the thread that made them: to wake others for four megabytes costs more than they
 *   help, a twentieth of the CPU time of a service's creation.
 */
const lean = [
  '--max-semi-space-size=4',
  '--heap-growing-percent=100',
  '--no-parallel-scavenge',
  givingBack,
] as const;

/**
 * As V8 has it: a scheduler that fills a cluster makes young objects for every node it looks at, and gives tasks a
 * fifth faster where they have room. At rest it takes no more memory than with the other flags.
 */
const fast = [givingBack] as const;

/** How Node.js runs one of our processes, by its name. */
export function nodeFlags(process: string): readonly string[] {
  return process === 'scheduler' ? fast : lean;
}

/**
 * What its C library is told: one arena for all threads. With one for each, a manager keeps 45 MB more that was
 * freed in one thread and is not found by another.
 */
export const nodeEnvironment = { MALLOC_ARENA_MAX: '1' } as const;
