import { readFileSync } from 'node:fs';
import type { Machine } from '../hosts/machine.ts';

/** The lines that the machine's agent has written. */
export function agentLog(machine: Machine): readonly string[] {
  return readFileSync(machine.path('/var/lib/shoal/logs/agent.log'), 'utf8').split('\n');
}

/** The last line of that event that the machine's agent has written, with that text in it. */
export function logged(machine: Machine, event: string, text: string): string | undefined {
  return agentLog(machine).findLast((line) => line.includes(`"${event}"`) && line.includes(text));
}

/** Milliseconds of the wall clock; NaN without a line. */
export function timeOf(line: string | undefined): number {
  return Date.parse(/"time":"([^"]+)"/.exec(line ?? '')?.[1] ?? '');
}
