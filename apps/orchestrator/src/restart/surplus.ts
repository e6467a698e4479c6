import type { Task } from '@shoal/state';
import { isRelieved } from '../rebalance/takeover.ts';
import { furthest, liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';

/**
 * Brings a slot back to one live task. Two are right only while the new one of a start-first update, of
 * a drain that starts first or of a move has yet to run.
 */
export function stopSurplus(
  subject: Subject,
  slot: Slot,
  order: 'stop-first' | 'start-first',
): void {
  const { plan } = subject;
  const healthy = liveTasks(slot).filter(
    (task) => !plan.isTouched(task) && subject.isHealthy(task),
  );
  if (healthy.length < 2) return;
  const relieved = new Set(healthy.filter((task) => isRelieved(subject, healthy, task)));
  const current = furthest(
    healthy.filter((task) => subject.isSettled(task) && !relieved.has(task)),
  );
  const keep = current ?? furthest(healthy);
  const stillNeeded = (task: Task): boolean =>
    relieved.has(task) ||
    (!subject.isSettled(task) &&
      (order === 'start-first' || subject.departureOf(task).kind === 'gently'));
  const mayStop = current === undefined || current.status.state === 'running';
  const oldToKeep = mayStop ? undefined : furthest(healthy.filter(stillNeeded));
  for (const task of healthy)
    if (task !== keep && task !== oldToKeep)
      plan.setDesired('surplus in its slot', task, 'shutdown');
}
