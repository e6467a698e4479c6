import { furthest, liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';

/**
 * Brings a slot back to one live task. Two are right only while a start-first update waits for the new
 * one to run.
 */
export function stopSurplus(
  subject: Subject,
  slot: Slot,
  order: 'stop-first' | 'start-first',
): void {
  const { plan } = subject;
  const healthy = liveTasks(slot).filter((task) => subject.isHealthy(task));
  if (healthy.length < 2) return;
  const current = furthest(healthy.filter((task) => !subject.isDirty(task)));
  const keep = current ?? furthest(healthy);
  const mayStop =
    current === undefined || order === 'stop-first' || current.status.state === 'running';
  const oldToKeep = mayStop ? undefined : furthest(healthy.filter((task) => subject.isDirty(task)));
  for (const task of healthy)
    if (task !== keep && task !== oldToKeep)
      plan.setDesired('surplus in its slot', task, 'shutdown');
}
