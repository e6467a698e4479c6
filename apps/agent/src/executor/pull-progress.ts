import { z } from 'zod';

const line = z.object({
  status: z.string().optional(),
  id: z.string().optional(),
  error: z.string().optional(),
  progressDetail: z
    .object({ current: z.number().optional(), total: z.number().optional() })
    .optional(),
});

interface Layer {
  done: boolean;
  current: number;
  total: number;
}

/** Longest line the engine is believed to send, characters. */
const lineCharsMax = 1 << 20;
const bytesPerMegabyte = 1_000_000;

/** Sums up what the engine says while it pulls an image. */
export class PullProgress {
  readonly #layers = new Map<string, Layer>();
  #rest = '';
  #error: string | undefined;

  /** What went wrong; the engine says so at the end of a stream that began well. */
  get error(): string | undefined {
    return this.#error;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, lineCharsMax);
    for (const each of lines) if (each.trim() !== '') this.#line(each);
  }

  end(): void {
    this.push('\n');
  }

  /** For people: how far it is. */
  get summary(): string {
    let done = 0;
    let current = 0;
    let total = 0;
    for (const layer of this.#layers.values()) {
      if (layer.done) done += 1;
      current += layer.current;
      total += layer.total;
    }
    const layers = `${done} of ${this.#layers.size} layers`;
    if (total === 0) return layers;
    const megabytes = (bytes: number): string => (bytes / bytesPerMegabyte).toFixed(1);
    return `${layers}, ${megabytes(current)} of ${megabytes(total)} MB`;
  }

  #line(text: string): void {
    let parsed: z.ZodSafeParseResult<z.output<typeof line>>;
    try {
      parsed = line.safeParse(JSON.parse(text));
    } catch {
      return;
    }
    if (!parsed.success) return;
    const { status = '', id, error, progressDetail } = parsed.data;
    if (error !== undefined) this.#error = error;
    if (id === undefined || status.startsWith('Pulling from')) return;
    const layer = this.#layers.get(id) ?? { done: false, current: 0, total: 0 };
    if (status === 'Downloading') {
      layer.current = progressDetail?.current ?? layer.current;
      layer.total = progressDetail?.total ?? layer.total;
    } else if (status === 'Pull complete' || status === 'Already exists') {
      layer.done = true;
      layer.current = layer.total;
    }
    this.#layers.set(id, layer);
  }
}
