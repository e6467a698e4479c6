import type { TaskAssignment } from '@shoal/state';
import type { Engine, EngineFailure } from '../executor/engine.ts';
import type { FetchImage } from '../images/image-fetcher.ts';

/** How it ended to get an image. */
export type PullResult =
  | { readonly kind: 'ok' }
  | {
      readonly kind: 'failed';
      readonly failure: EngineFailure;
      /** Why each node that has the image did not give it; empty when none has it. */
      readonly reasons: readonly string[];
    };

interface Pull {
  readonly result: Promise<PullResult>;
  readonly listeners: Set<(text: string) => void>;
  /** Gives it up. */
  readonly end: AbortController;
}

const cancelled: PullResult = {
  kind: 'failed',
  failure: { kind: 'unreachable', message: 'the pull is no longer wanted' },
  reasons: [],
};
const nobody: FetchImage = async () => ({ kind: 'none', reasons: [] });

/**
 * Gets each image once for all tasks that wait for it, from another node that has it, else from its registry;
 * a task that stops waiting does not stop that for the others. What nobody waits for any more ends: it may hang,
 * and the engine keeps what it has got.
 */
export class ImagePulls {
  readonly #engine: Engine;
  readonly #fetch: FetchImage;
  readonly #pulls = new Map<string, Pull>();
  #stopped = false;

  /** Without `fetch` there are only registries. */
  constructor(engine: Engine, fetch: FetchImage = nobody) {
    this.#engine = engine;
    this.#fetch = fetch;
  }

  /** `progress` is told whole texts for people. */
  pull(
    assignment: TaskAssignment,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<PullResult> {
    const image = assignment.template.ContainerSpec.Image;
    const key = `${image} ${assignment.registryAuth ?? ''}`;
    const pull = this.#pulls.get(key) ?? this.#begin(key, image, assignment.registryAuth);
    pull.listeners.add(progress);
    return new Promise((resolve) => {
      const settle = (result: PullResult): void => {
        pull.listeners.delete(progress);
        signal.removeEventListener('abort', abort);
        resolve(result);
      };
      const abort = (): void => {
        settle(cancelled);
        if (pull.listeners.size === 0) this.#giveUp(key, pull);
      };
      signal.addEventListener('abort', abort);
      void pull.result.then(settle);
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const { end } of this.#pulls.values()) end.abort();
  }

  #giveUp(key: string, pull: Pull): void {
    if (this.#pulls.get(key) === pull) this.#pulls.delete(key);
    pull.end.abort();
  }

  #begin(key: string, image: string, registryAuth: string | undefined): Pull {
    const listeners = new Set<(text: string) => void>();
    const tell = (text: string): void => {
      for (const listener of listeners) listener(text);
    };
    const end = new AbortController();
    if (this.#stopped) end.abort();
    const result = this.#get(image, registryAuth, end.signal, tell).finally(() => {
      if (this.#pulls.get(key)?.end === end) this.#pulls.delete(key);
    });
    const pull = { result, listeners, end };
    this.#pulls.set(key, pull);
    return pull;
  }

  async #get(
    image: string,
    registryAuth: string | undefined,
    signal: AbortSignal,
    tell: (text: string) => void,
  ): Promise<PullResult> {
    const request = { reference: image, signal, progress: tell };
    const fetched = await this.#fetch({ ...request, isLast: false });
    if (fetched.kind === 'fetched') return { kind: 'ok' };
    const pulled = await this.#engine.pull(image, registryAuth, signal, (text) =>
      tell(`pulling image, ${text}`),
    );
    if (pulled.kind === 'ok') return { kind: 'ok' };
    const isUntried = fetched.reasons.length === 0 || fetched.isUnconfirmed === true;
    if (!isUntried || signal.aborted) return { ...pulled, reasons: fetched.reasons };
    const last = await this.#fetch({ ...request, isLast: true });
    return last.kind === 'fetched' ? { kind: 'ok' } : { ...pulled, reasons: last.reasons };
  }
}
