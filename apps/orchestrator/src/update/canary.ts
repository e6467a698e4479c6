import { canaryLabel, canarySize, type Revision } from '@shoal/state';
import { liveTasks, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isRollback } from './config.ts';
import { hadNode, progressOf } from './progress.ts';

/** What an update leaves as it is until somebody says that the rest may follow. */
export interface Canary {
  /** The slots that are left, with the revision that their tasks stay at. */
  readonly held: ReadonlyMap<Slot, Revision>;
  /** What tasks in further slots are made of. */
  readonly newcomers: Revision;
}

/**
 * While the label is there, an update goes no further than to the slots that it has been to, and to as many more as
 * the label says. Rollbacks go everywhere. All of it follows from tasks and labels.
 */
export function canaryOf(subject: Subject, slots: Iterable<Slot>): Canary {
  const { revision, service } = subject;
  const all: Canary = { held: new Map(), newcomers: revision };
  if (revision.spec.Labels[canaryLabel] === undefined || isRollback(service.updateStatus))
    return all;
  const known = [...slots];
  const present = known.filter((slot) => isPresent(subject, slot));
  const size = canarySize(revision.spec.Labels, present.length);
  if (size === undefined) return all;
  const waiting = present.filter((slot) => progressOf(subject, slot).waits);
  const away = known.filter((slot) => isAway(subject, slot) && !progressOf(subject, slot).waits);
  const left = Math.max(0, size - (present.length - waiting.length) - away.length);
  const [open, closed] = [true, false].map((asked) =>
    waiting.filter((slot) => isOpen(subject, slot) === asked),
  );
  const ranked = inTurn(subject, open ?? []);
  const kept = [...(closed ?? []), ...ranked.slice(left)];
  const held = new Map(kept.map((slot) => [slot, revisionIn(subject, slot)]));
  return { held, newcomers: [...held.values()].at(-1) ?? revision };
}

/** The service as its slot is to be tended: at the revision that it is left at, if it is. */
export function heldAt(subject: Subject, { held }: Pick<Canary, 'held'>, slot: Slot): Subject {
  return subject.at(held.get(slot) ?? subject.revision);
}

/** What the task is made of that is missing in a slot; undefined for one that was never filled. */
export function missingOf({ revision }: Subject, canary: Canary, slot: Slot | undefined): Revision {
  if (slot === undefined || isGivenUp(slot)) return canary.newcomers;
  return canary.held.get(slot) ?? revision;
}

function isGivenUp(slot: Slot): boolean {
  return newestTask(slot)?.desired === 'remove';
}

/** Nodes that a global service has left, and has no business on, are none of its update. */
function isPresent(subject: Subject, slot: Slot): boolean {
  return !isGivenUp(slot) && (liveTasks(slot).length > 0 || isOpen(subject, slot));
}

/** Its node left for a while, and takes up again what it had. */
function isAway(subject: Subject, slot: Slot): boolean {
  if (isGivenUp(slot) || isPresent(subject, slot)) return false;
  const node = subject.view.nodes.get(slot.nodeId);
  return node !== undefined && subject.meetsConstraints(node);
}

/** Whether a task of the update may run there; that of a replicated service may go anywhere. */
function isOpen(subject: Subject, { nodeId }: Slot): boolean {
  if (nodeId === '') return true;
  const node = subject.view.nodes.get(nodeId);
  if (node?.spec.Availability !== 'active' || node.status.state === 'down') return false;
  return subject.meetsConstraints(node);
}

/**
 * The canary of an update that was never finished gives way first, however many it is; of the others, who has no node.
 * It is of a later revision than a rollback leads to.
 */
function inTurn(subject: Subject, slots: readonly Slot[]): readonly Slot[] {
  const { previousRevision = Number.POSITIVE_INFINITY } = subject.service;
  const isCanary = ({ number }: Revision): boolean => number > previousRevision;
  const mates = Map.groupBy(slots, (slot) => revisionIn(subject, slot));
  return [...mates]
    .sort(
      ([a, few], [b, many]) =>
        Number(isCanary(b)) - Number(isCanary(a)) ||
        few.length - many.length ||
        b.number - a.number,
    )
    .flatMap(([, group]) => [...group].sort(byNeed));
}

/** What the slot's tasks are made of now; a revision that is gone leaves only the current one. */
function revisionIn({ view, service, revision }: Subject, slot: Slot): Revision {
  const task = liveTasks(slot).at(-1) ?? newestTask(slot);
  return (task && view.revisions.of(service.id, task.revision)) ?? revision;
}

function byNeed(a: Slot, b: Slot): number {
  const has = (slot: Slot): number => Number(liveTasks(slot).some(hadNode));
  return has(a) - has(b) || a.slot - b.slot || (a.nodeId < b.nodeId ? -1 : 1);
}

/** What an update says once it is as far as it may go. */
export function heldText(updated: number, held: number): string {
  return `${updated} of ${updated + held} tasks updated: the rest follows when label ${canaryLabel} is removed`;
}
