import { z } from 'zod';
import { refusal, session } from './shapes.ts';

/** What came of a question. */
export type Answer<T> =
  | {
      readonly kind: 'value';
      readonly value: T /** No quorum says that it is the newest. */;
      readonly stale: boolean;
    }
  /** The API says no, in one sentence for people. */
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** Nobody answers. */
  | { readonly kind: 'away' }
  /** The dashboard is not open in this browser. */
  | { readonly kind: 'closed' };

/** What browsers give the page; tests give others. */
export interface Browser {
  readonly fetch: typeof fetch;
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const tokenName = 'shoal.token';

/** Asks the API through the dashboard's door, with the token that this browser was given. */
export class Api {
  readonly #browser: Browser;
  #aheadMs = 0;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** The manager's time, as its answers tell: clocks of two computers may differ by minutes. */
  now(): number {
    return this.#browser.now() + this.#aheadMs;
  }

  /** Changes the key of an address for a token, which this browser keeps. Gives a sentence where that fails. */
  async open(key: string): Promise<string | undefined> {
    const body = JSON.stringify({ key });
    const answer = await this.#call('/session', { method: 'POST', body });
    if (answer === undefined) return 'nobody answers: is the api of this host up?';
    const said: unknown = await answer.json().catch(() => undefined);
    const opened = session.safeParse(said);
    if (opened.success) {
      this.#browser.storage.setItem(tokenName, opened.data.token);
      return undefined;
    }
    return refusal.safeParse(said).data?.message ?? `the dashboard answered ${answer.status}`;
  }

  /** Gives the token back. */
  async close(): Promise<void> {
    await this.#call('/session', { method: 'DELETE' });
    this.#browser.storage.removeItem(tokenName);
  }

  async ask<S extends z.ZodType>(
    path: string,
    schema: S,
    signal?: AbortSignal,
  ): Promise<Answer<z.output<S>>> {
    const answer = await this.#call(`/api${path}`, signal === undefined ? {} : { signal });
    if (answer === undefined) return { kind: 'away' };
    if (answer.status === 401) return { kind: 'closed' };
    const said: unknown = await answer.json().catch(() => undefined);
    if (answer.status !== 200) {
      const message = refusal.safeParse(said).data?.message ?? `the api answered ${answer.status}`;
      return { kind: 'refused', status: answer.status, message };
    }
    const read = schema.safeParse(said);
    if (!read.success) {
      const message = `the answer to ${path} is not as expected: ${z.prettifyError(read.error)}`;
      return { kind: 'refused', status: 200, message };
    }
    return {
      kind: 'value',
      value: read.data,
      stale: answer.headers.get('X-Shoal-Stale') === 'true',
    };
  }

  /** An answer without end, piece by piece; undefined where there is none. */
  async stream(
    path: string,
    signal: AbortSignal,
  ): Promise<
    { readonly mediaType: string; readonly body: ReadableStream<Uint8Array> } | undefined
  > {
    const answer = await this.#call(`/api${path}`, { signal });
    if (answer?.status !== 200 || answer.body === null) return undefined;
    return { mediaType: answer.headers.get('content-type') ?? '', body: answer.body };
  }

  async #call(path: string, init: RequestInit): Promise<Response | undefined> {
    const token = this.#browser.storage.getItem(tokenName);
    const headers: Record<string, string> =
      token === null ? {} : { authorization: `Bearer ${token}` };
    try {
      const { fetch } = this.#browser;
      const answer = await fetch(path, { ...init, headers, cache: 'no-store' });
      const date = Date.parse(answer.headers.get('date') ?? '');
      // It tells whole seconds: less than that is no difference.
      const aheadMs = date - this.#browser.now();
      if (!Number.isNaN(aheadMs)) this.#aheadMs = Math.abs(aheadMs) < 2_000 ? 0 : aheadMs;
      return answer;
    } catch {
      return undefined;
    }
  }
}
