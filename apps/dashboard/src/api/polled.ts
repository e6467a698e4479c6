import type { z } from 'zod';
import type { ChangeWatch, Timers } from './changes.ts';
import type { Answer, Api } from './client.ts';

/** Without a change it is asked again after this, milliseconds: not all that is shown is in the log. */
const idleMs = 30_000;
/** At least so long between an answer and the next question, milliseconds. */
const restMs = 400;
/** A question takes at most this part of the manager's time: it rests as many times as long as it took. */
const restFactor = 8;

export interface PolledOptions {
  /** At least so long between two questions, milliseconds. */
  readonly everyMs?: number | undefined;
}

/** An answer of the API that is kept new for as long as somebody looks at it. */
export class Polled<S extends z.ZodType> {
  readonly #api: Api;
  readonly #timers: Timers;
  readonly #path: string;
  readonly #schema: S;
  readonly #restMs: number;
  readonly #tell: (answer: Answer<z.output<S>>) => void;
  readonly #unwatch: () => void;
  readonly #abort = new AbortController();
  #cancel: () => void = () => undefined;
  #isAsking = false;
  #isDirty = false;
  #restsUntil = 0;

  constructor(
    parts: { readonly api: Api; readonly watch: ChangeWatch; readonly timers: Timers },
    asked: { readonly path: string; readonly schema: S } & PolledOptions,
    tell: (answer: Answer<z.output<S>>) => void,
  ) {
    this.#api = parts.api;
    this.#timers = parts.timers;
    this.#path = asked.path;
    this.#schema = asked.schema;
    this.#restMs = asked.everyMs ?? restMs;
    this.#tell = tell;
    this.#unwatch = parts.watch.onChange(() => this.#changed());
    void this.#ask();
  }

  stop(): void {
    this.#unwatch();
    this.#cancel();
    this.#abort.abort();
  }

  #changed(): void {
    if (this.#isAsking) this.#isDirty = true;
    else this.#in(this.#restsUntil - this.#api.now());
  }

  #in(ms: number): void {
    this.#cancel();
    this.#cancel = this.#timers.after(Math.max(0, ms), () => void this.#ask());
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    this.#isDirty = false;
    const begun = this.#api.now();
    const answer = await this.#api.ask(this.#path, this.#schema, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    this.#isAsking = false;
    const rest = Math.max(this.#restMs, (this.#api.now() - begun) * restFactor);
    this.#restsUntil = this.#api.now() + rest;
    this.#tell(answer);
    this.#in(this.#isDirty ? rest : Math.max(rest, idleMs));
  }
}
