import { invariant, type LogIndex } from '@shoal/runtime';
import type { StateMachine } from '../machine.ts';
import type { Entry } from '../types.ts';

/** A list of all that was applied, as text. Checks that each entry comes once and in order. */
export class FakeMachine implements StateMachine {
  lines: string[] = [];
  index = 0 as LogIndex;
  restored = 0;

  apply(entry: Entry): void {
    invariant(entry.kind === 'normal', 'a machine gets normal entries only', { kind: entry.kind });
    invariant(entry.index > this.index, 'each entry once, in order', { index: entry.index });
    this.lines.push(new TextDecoder().decode(entry.data));
    this.index = entry.index;
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    const chunks = [String(this.index), ...this.lines].map((line) =>
      new TextEncoder().encode(line),
    );
    return { index: this.index, chunks };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const lines: string[] = [];
    for await (const chunk of chunks) lines.push(new TextDecoder().decode(chunk));
    const [index, ...rest] = lines;
    this.index = Number(index) as LogIndex;
    this.lines = rest;
    this.restored += 1;
  }
}
