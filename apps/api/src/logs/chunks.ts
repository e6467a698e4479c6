import type { LogLine } from '@shoal/proto';
import { chunkBytesMax, chunksMax } from './limits.ts';
import type { LogRing } from './ring.ts';

/** How lines are put on the wire for one client. */
export interface LogFormat {
  /** Formats of the same key write the same bytes. */
  readonly key: string;
  /** Undefined for a line that the client did not ask for. */
  frame(line: LogLine): Uint8Array | undefined;
  /** Says why lines are missing. */
  gap(reason: string, task: { readonly id: string; readonly nodeId: string }): Uint8Array;
}

/** Some neighbouring lines, ready to be written. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly lines: number;
  /** Number of the line that follows. */
  readonly to: number;
}

/** Formats lines from `from` on; at least one if there is any. */
export function chunkOf(
  ring: LogRing,
  from: number,
  format: LogFormat,
  isWanted: (line: LogLine) => boolean,
): Chunk {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let to = from;
  while (bytes < chunkBytesMax) {
    const line = ring.at(to)?.line;
    if (line === undefined) break;
    to += 1;
    const frame = isWanted(line) ? format.frame(line) : undefined;
    if (frame === undefined) continue;
    parts.push(frame);
    bytes += frame.length;
  }
  return { bytes: Buffer.concat(parts, bytes), lines: parts.length, to };
}

/** Followers at the same place of the same log share what is written to them. */
export class Chunks {
  readonly #kept = new Map<string, Chunk>();

  take(taskId: string, ring: LogRing, from: number, format: LogFormat): Chunk {
    const key = `${taskId}/${from}/${format.key}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const chunk = chunkOf(ring, from, format, () => true);
    if (chunk.to === from) return chunk;
    this.#kept.set(key, chunk);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= chunksMax) break;
      this.#kept.delete(oldest);
    }
    return chunk;
  }

  /** The numbers of its lines begin anew. */
  forget(taskId: string): void {
    for (const key of [...this.#kept.keys()])
      if (key.startsWith(`${taskId}/`)) this.#kept.delete(key);
  }
}
