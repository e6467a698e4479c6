import type { ChildProcess } from 'node:child_process';
import { appendFileSync, rmSync } from 'node:fs';

export interface CaseResult {
  readonly name: string;
  readonly ms: number;
  readonly failure?: string;
}

export interface MachineOutcome {
  /** What the probe chose in the machine. */
  readonly backend: string;
  readonly results: readonly CaseResult[];
  /** Why the suite did not end; undefined when it did. */
  readonly broken: string | undefined;
  /** Last lines of the console. */
  readonly console: string;
}

const consoleLinesKept = 60;

/**
 * Reads what a suite prints until its process has ended; steps and cases are told to `log`.
 * @param keptIn file that has all of it, for who waits for the end.
 */
export function readConsole(
  child: ChildProcess,
  keptIn: string,
  log: (line: string) => void,
): Promise<MachineOutcome> {
  rmSync(keptIn, { force: true });
  const results: CaseResult[] = [];
  const lines: string[] = [];
  let [backend, ended, rest] = ['', false, ''];
  let broken: string | undefined;
  const read = (line: string): void => {
    lines.push(line);
    appendFileSync(keptIn, `${line}\n`);
    if (lines.length > consoleLinesKept) lines.shift();
    const at = line.indexOf('@@ {');
    if (at < 0) return;
    const fact = JSON.parse(line.slice(at + 3)) as {
      readonly kind: string;
    } & Partial<CaseResult> & {
        readonly backend?: string;
        readonly reason?: string;
        readonly what?: string;
      };
    if (fact.kind === 'chosen') backend = fact.backend ?? '';
    if (fact.kind === 'step') log(fact.what ?? '');
    if (fact.kind === 'broken') broken = fact.reason;
    if (fact.kind === 'end') ended = true;
    if (fact.kind !== 'case') return;
    const { name = '', ms = 0, failure } = fact;
    results.push({ name, ms, ...(failure === undefined ? {} : { failure }) });
    const outcome = failure === undefined ? 'passed' : 'failed';
    log([`${outcome} ${name} (${ms} ms)`, failure?.split('\n')[0] ?? ''].join(' ').trimEnd());
  };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk.replaceAll('\r', '')).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) read(line);
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => lines.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      if (!ended) broken ??= 'the machine ended before the suite did';
      resolve({ backend, results, broken, console: lines.join('\n') });
    });
  });
}
