import type { Instant } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import { isJob, type StateView, type Task } from '@shoal/state';
import { tendScaling } from './autoscale/autoscale.ts';
import { tendCron } from './cron/cron.ts';
import { leaveGently } from './drain/leave.ts';
import { enforce } from './enforce/enforce.ts';
import { spreadOverNodes } from './global/nodes.ts';
import { tendJob } from './jobs/job.ts';
import { type Moves, Plan } from './plan.ts';
import { trimRevisions } from './reaper/revisions.ts';
import { isRemovable, trimHistory } from './reaper/tasks.ts';
import { markForRemoval, scale } from './replicated/scale.ts';
import { restartEnded, startReplacements } from './restart/restart.ts';
import { stopSurplus } from './restart/surplus.ts';
import { type Slot, slotsByNode, slotsByNumber } from './slots.ts';
import { Subject } from './subject.ts';
import { type Canary, canaryOf, heldAt } from './update/canary.ts';
import { paceOf } from './update/config.ts';
import { update } from './update/update.ts';

/**
 * What one service needs now: it compares what should be with what is, and remembers nothing. With
 * `moves`, what leaves lost nodes is put there instead.
 */
export function reconcile(
  view: StateView,
  serviceId: string,
  now: Instant,
  moves?: Moves,
): Iterable<Decision> {
  const plan = new Plan(serviceId, moves);
  const service = view.services.get(serviceId);
  const tasks = [...view.tasks.byService(serviceId)];
  const revision = service && view.revisions.of(serviceId, service.revision);
  if (service === undefined) for (const task of tasks) markForRemoval(plan, task);
  else if (revision !== undefined) tend(new Subject(view, service, revision, plan, now), tasks);
  for (const task of tasks)
    if (!plan.isTouched(task) && isRemovable({ view }, task)) plan.deleteTask('task is over', task);
  trimRevisions(view, serviceId, service, tasks, plan);
  return plan.decisions();
}

function tend(subject: Subject, tasks: readonly Task[]): void {
  if (tendCron(subject, tasks) || tendScaling(subject, tasks)) return;
  const { Mode } = subject.revision.spec;
  if (isJob(subject.revision.spec)) {
    tendJob(subject, tasks);
    enforce(subject, tasks);
  } else if (Mode.Replicated !== undefined) {
    const slots = slotsByNumber(tasks);
    const canary = canaryOf(subject, slots.values());
    tendSlots(subject, canary, scale(subject, slots, canary), slots.values());
  } else if (Mode.Global !== undefined) {
    const slots = slotsByNode(tasks);
    const canary = canaryOf(subject, slots.values());
    const { kept, resting } = spreadOverNodes(subject, slots, canary);
    finishBegun(subject, canary, resting);
    tendSlots(subject, canary, kept, slots.values());
  }
}

/** What was begun before the nodes were paused: a replacement that waits, or the old beside the new. */
function finishBegun(subject: Subject, canary: Canary, resting: readonly Slot[]): void {
  for (const slot of resting) {
    const own = heldAt(subject, canary, slot);
    stopSurplus(own, slot, paceOf(own).order);
    startReplacements(own, slot);
  }
}

function tendSlots(
  subject: Subject,
  canary: Canary,
  kept: readonly Slot[],
  all: Iterable<Slot>,
): void {
  const groups = Map.groupBy(kept, (slot) => canary.held.get(slot) ?? subject.revision);
  for (const [revision, slots] of groups) {
    const own = subject.at(revision);
    const { order } = paceOf(own);
    for (const slot of slots) enforce(own, slot.tasks);
    for (const slot of slots) {
      stopSurplus(own, slot, order);
      restartEnded(own, slot);
      startReplacements(own, slot);
    }
  }
  const updated = groups.get(subject.revision) ?? [];
  update(subject, updated, kept.length - updated.length);
  leaveGently(subject, kept, canary);
  for (const slot of all) trimHistory(heldAt(subject, canary, slot), slot);
}

/** Ids of services that something still points to although they are gone. */
export function* orphanedServices(view: StateView): IterableIterator<string> {
  const seen = new Set<string>();
  for (const table of [view.tasks, view.revisions])
    for (const { serviceId } of table.values()) {
      if (seen.has(serviceId) || view.services.get(serviceId) !== undefined) continue;
      seen.add(serviceId);
      yield serviceId;
    }
}
