import type { Engine } from '../executor/engine.ts';

/** Stops a container if it may still run, then takes it away. False when the engine could not be asked. */
export async function removeContainer(
  engine: Engine,
  container: string,
  isStopped: boolean,
): Promise<boolean> {
  if (!isStopped) {
    const ended = await engine.stop(container);
    if (ended.kind === 'failed' && ended.failure.kind === 'not-found') return true;
    if (ended.kind === 'failed' && ended.failure.kind === 'unreachable') return false;
  }
  const removed = await engine.remove(container);
  // A conflict means that somebody else is removing it just now.
  return removed.kind === 'ok' || removed.failure.kind !== 'unreachable';
}
