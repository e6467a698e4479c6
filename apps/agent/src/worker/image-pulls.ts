import type { TaskAssignment } from '@shoal/state';
import type { Engine, EngineResult } from '../executor/engine.ts';

interface Pull {
  readonly result: Promise<EngineResult<undefined>>;
  readonly listeners: Set<(text: string) => void>;
}

const cancelled: EngineResult<undefined> = {
  kind: 'failed',
  failure: { kind: 'unreachable', message: 'the pull is no longer wanted' },
};

/** Pulls each image once for all tasks that wait for it; a task that stops waiting does not stop the pull. */
export class ImagePulls {
  readonly #engine: Engine;
  readonly #pulls = new Map<string, Pull>();
  readonly #end = new AbortController();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  pull(
    assignment: TaskAssignment,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<EngineResult<undefined>> {
    const image = assignment.template.ContainerSpec.Image;
    const key = `${image} ${assignment.registryAuth ?? ''}`;
    const pull = this.#pulls.get(key) ?? this.#begin(key, image, assignment.registryAuth);
    pull.listeners.add(progress);
    return new Promise((resolve) => {
      const settle = (result: EngineResult<undefined>): void => {
        pull.listeners.delete(progress);
        signal.removeEventListener('abort', abort);
        resolve(result);
      };
      const abort = (): void => settle(cancelled);
      signal.addEventListener('abort', abort);
      void pull.result.then(settle);
    });
  }

  stop(): void {
    this.#end.abort();
  }

  #begin(key: string, image: string, registryAuth: string | undefined): Pull {
    const listeners = new Set<(text: string) => void>();
    const result = this.#engine
      .pull(image, registryAuth, this.#end.signal, (text) => {
        for (const listener of listeners) listener(text);
      })
      .finally(() => this.#pulls.delete(key));
    const pull = { result, listeners };
    this.#pulls.set(key, pull);
    return pull;
  }
}
