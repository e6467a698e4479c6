import type { Timers } from '../api/changes.ts';
import type { Browser } from '../api/client.ts';

/** What the fake manager says; nothing: it cannot be reached. */
export interface FakeAnswer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A browser whose manager is the test, and whose time passes when the test says so. */
export class FakeBrowser implements Browser, Timers {
  readonly asked: { readonly path: string; readonly init: RequestInit }[] = [];
  answer: (path: string) => FakeAnswer | undefined | Promise<FakeAnswer | undefined> = () => ({});
  readonly kept = new Map<string, string>();
  #ms = Date.parse('2026-11-23T12:00:00Z');
  #waiting: { readonly at: number; readonly call: () => void }[] = [];

  readonly storage = {
    getItem: (name: string): string | null => this.kept.get(name) ?? null,
    setItem: (name: string, value: string): void => void this.kept.set(name, value),
    removeItem: (name: string): void => void this.kept.delete(name),
  };

  readonly now = (): number => this.#ms;

  readonly fetch: typeof fetch = async (path, init = {}) => {
    this.asked.push({ path: String(path), init });
    const found = await this.answer(String(path));
    if (found === undefined || init.signal?.aborted) throw new TypeError('Failed to fetch');
    const { status = 200, body = {}, headers = {} } = found;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return new Response(status === 204 ? null : text, { status, headers });
  };

  after(ms: number, call: () => void): () => void {
    const waiting = { at: this.#ms + ms, call };
    this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
    };
  }

  /** Lets what is under way settle, and then time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#ms + ms;
    await settled();
    for (;;) {
      const [next] = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#ms = Math.max(this.#ms, next.at);
      this.#waiting = this.#waiting.filter((one) => one !== next);
      next.call();
      await settled();
    }
    this.#ms = end;
  }
}

/** Resolves when all has gone on that can without time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}
