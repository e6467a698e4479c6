import type { Entry, StateMachine } from '@shoal/raft';
import { invariant, type LogIndex } from '@shoal/runtime';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The state that simulated clients write: a list of values in the order of the log. */
export class ListMachine implements StateMachine {
  readonly #onApplied: (entry: Entry) => void;
  values: string[] = [];
  index = 0 as LogIndex;

  constructor(onApplied: (entry: Entry) => void) {
    this.#onApplied = onApplied;
  }

  apply(entry: Entry): void {
    invariant(entry.index > this.index, 'entries come once and in order', { index: entry.index });
    this.index = entry.index;
    this.values.push(decoder.decode(entry.data));
    this.#onApplied(entry);
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    const { index } = this;
    const values = [...this.values];
    return { index, chunks: chunksOf(index, values) };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += decoder.decode(chunk);
    const { index, values } = JSON.parse(text) as { index: LogIndex; values: string[] };
    invariant(index >= this.index, 'a snapshot leads forward', { index, own: this.index });
    this.index = index;
    this.values = values;
  }
}

/** In several pieces, so that a snapshot can be torn and lost between them. */
function* chunksOf(index: LogIndex, values: readonly string[]): Generator<Uint8Array> {
  const text = JSON.stringify({ index, values });
  const piece = Math.max(64, Math.ceil(text.length / 4));
  for (let at = 0; at < text.length; at += piece) yield encoder.encode(text.slice(at, at + piece));
}
