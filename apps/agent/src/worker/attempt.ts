import type { TaskState } from '@shoal/state';
import { containerStatus, type EngineResult, type TaskContainer } from '../executor/engine.ts';
import type { ActEnd } from '../task/machine.ts';

/** How work ended, or that it has to be tried again, or that something else is wanted meanwhile. */
export type Attempt = ActEnd | { readonly kind: 'retry'; readonly message: string } | Overtaken;

export interface Overtaken {
  readonly kind: 'overtaken';
}

/** Only an engine that could not be asked may say something else later. */
export function failed(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  const { kind, message } = result.failure;
  return kind === 'unreachable' ? { kind: 'retry', message } : { kind: 'fatal', message };
}

/** A look at a container that may run: only that it is not there ends anything. */
export function unseen(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  const { kind, message } = result.failure;
  return kind === 'not-found' ? { kind: 'fatal', message } : { kind: 'retry', message };
}

/** Whatever the engine said, it is asked again. */
export function retried(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  return { kind: 'retry', message: result.failure.message };
}

/** Swarm's words in front of the engine's. */
export function startFailed(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  const attempt = failed(result);
  return attempt.kind === 'fatal'
    ? { kind: 'fatal', message: `starting container failed: ${attempt.message}` }
    : attempt;
}

/** A container that is not running any more, as an end of the task. */
export function stopped(container: TaskContainer): ActEnd {
  const status = containerStatus(container);
  if (container.state === 'created') {
    const message = `starting container failed: ${container.error}`;
    return { kind: 'fatal', message, container: status };
  }
  return { kind: 'exited', container: status };
}

/** The least that is known of a task from its container alone. */
export function stateFromContainer(container: TaskContainer): TaskState {
  return container.state === 'created' ? 'ready' : 'running';
}
