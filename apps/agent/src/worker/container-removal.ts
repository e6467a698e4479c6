import type { Engine } from '../executor/engine.ts';

/** `refused`: the engine said no, which it may not say the next time. */
export type Removal = 'gone' | 'unreachable' | 'refused';

/** Stops a container if it may still run, then takes it away. */
export async function removeContainer(
  engine: Engine,
  container: string,
  isStopped: boolean,
): Promise<Removal> {
  if (!isStopped) {
    const ended = await engine.stop(container);
    if (ended.kind === 'failed' && ended.failure.kind === 'not-found') return 'gone';
    if (ended.kind === 'failed' && ended.failure.kind === 'unreachable') return 'unreachable';
  }
  const removed = await engine.remove(container);
  if (removed.kind === 'ok') return 'gone';
  const { kind } = removed.failure;
  // A conflict means that somebody else is removing it just now.
  return kind === 'unreachable' || kind === 'refused' ? kind : 'gone';
}
