import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Machine } from '../hosts/machine.ts';

/** `docker service logs --follow`, which runs until it is stopped. */
export class Followed {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #out = '';
  #err = '';
  /** Exit code once it has ended. */
  code: number | undefined;

  constructor(machine: Machine, ...args: readonly string[]) {
    const words = ['--host', `unix://${machine.socket}`, 'service', 'logs', '--follow', ...args];
    this.#child = spawn('docker', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString();
    });
    this.#child.on('close', (code) => {
      this.code = code ?? -1;
    });
  }

  get errors(): string {
    return this.#err;
  }

  /** Whole lines of standard output so far. */
  get lines(): readonly string[] {
    return this.#out.split('\n').slice(0, -1);
  }

  /** What each task has said, by the head of its lines: `service.slot.id@node`. */
  byTask(): ReadonlyMap<string, readonly string[]> {
    return byTask(this.lines);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Texts of lines by what stands before the bar. */
export function byTask(lines: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    const [, head = '', text = ''] = /^(\S+)\s+\| ?(.*)$/.exec(line) ?? [];
    const texts = found.get(head);
    if (texts === undefined) found.set(head, [text]);
    else texts.push(text);
  }
  return found;
}
