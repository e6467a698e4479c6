/** A line of a log. */
export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

const headerBytes = 8;
/** Of a frame; longer ones do not come. Beyond it the stream is none of frames. */
const frameBytesMax = 16 * 1024 * 1024;

/**
 * Takes a followed log apart: frames of a header of eight bytes (stream, three zeros, length of what follows, big-endian), as
 * Docker sends them for `application/vnd.docker.multiplexed-stream`. Lines may be spread over frames, and frames over pieces.
 */
export class LogFrames {
  #rest: Uint8Array = new Uint8Array();
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  readonly #begun = { stdout: '', stderr: '' };

  /** The lines that this piece ends. @throws RangeError for what is no stream of frames */
  add(piece: Uint8Array): readonly LogLine[] {
    const bytes = new Uint8Array(this.#rest.length + piece.length);
    bytes.set(this.#rest);
    bytes.set(piece, this.#rest.length);
    const view = new DataView(bytes.buffer);
    const lines: LogLine[] = [];
    let at = 0;
    while (bytes.length - at >= headerBytes) {
      const length = view.getUint32(at + 4);
      if (length > frameBytesMax) throw new RangeError(`a frame of ${length} bytes`);
      const end = at + headerBytes + length;
      if (end > bytes.length) break;
      const stream = view.getUint8(at) === 2 ? 'stderr' : 'stdout';
      lines.push(...this.#linesOf(stream, bytes.subarray(at + headerBytes, end)));
      at = end;
    }
    this.#rest = bytes.slice(at);
    return lines;
  }

  #linesOf(stream: 'stdout' | 'stderr', bytes: Uint8Array): readonly LogLine[] {
    const text = this.#begun[stream] + this.#decoders[stream].decode(bytes, { stream: true });
    const parts = text.split('\n');
    this.#begun[stream] = parts.pop() ?? '';
    return parts.map((line) => ({ stream, text: line.replace(/\r$/, '') }));
  }
}

/** What a line with `timestamps` and `details` says before its text. */
export interface LogEntry {
  readonly at: string;
  readonly taskId: string;
  readonly text: string;
}

const entry = /^(\S+) (\S*) ?(.*)$/;

/** Reads `2026-11-23T14:00:00Z com.docker.swarm.task.id=…,… text`; a line that is none is text alone. */
export function logEntry(line: string): LogEntry {
  const [, at = '', details = '', text = ''] = entry.exec(line) ?? [];
  const pairs = new URLSearchParams(details.replaceAll(',', '&'));
  const taskId = pairs.get('com.docker.swarm.task.id');
  if (taskId === null || Number.isNaN(Date.parse(at))) return { at: '', taskId: '', text: line };
  return { at, taskId, text };
}
