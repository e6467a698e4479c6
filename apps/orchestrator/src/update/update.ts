import { type Instant, later } from '@shoal/runtime';
import type { Task } from '@shoal/state';
import { isStopping } from '../restart/restart.ts';
import { isLive, liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { heldText } from './canary.ts';
import { lastWatchMs, type Pace, paceOf } from './config.ts';
import { failureOf } from './failures.ts';
import {
  findsNoNode,
  hadNode,
  isAdded,
  isReplaced,
  progressOf,
  runsAnew,
  type SlotProgress,
  tookPlace,
} from './progress.ts';
import { begin, complete, pause, rollBack } from './status.ts';

/** By then the scheduler has looked again at a task whose room became free, milliseconds. */
const lookedAtMs = 2_000;

/**
 * Replaces, a few at a time, the tasks that do not match the current revision. An update that changes
 * no task leaves no trace in the status, unless others are held: nothing else tells clients not to wait for these.
 * @param held how many more slots there are, which it leaves as they are.
 */
export function update(subject: Subject, slots: readonly Slot[], held: number): void {
  const state = subject.service.updateStatus?.state;
  if (state === 'paused' || state === 'rollback_paused') return;
  const pace = paceOf(subject);
  const progress = slots.map((slot) => progressOf(subject, slot));
  const running = state === 'updating' || state === 'rollback_started';
  if (running && stopIfFailed(subject, pace, progress)) return;
  const waiting = progress.filter(({ waits }) => waits);
  const isSilent = state !== undefined || held === 0 || slots.length === 0;
  if (!running && waiting.length === 0 && isSilent) return;
  if (state === undefined) {
    // Tasks wait until the status stands: written by others at once, it would be refused and then missing.
    begin(subject);
    return;
  }
  const busy = countBusy(subject, pace, progress);
  const free = pace.parallelism === 0 ? waiting.length : Math.max(0, pace.parallelism - busy);
  const next = inTurn(waiting.filter(({ slot }) => !isTouched(subject, slot))).slice(0, free);
  for (const { slot } of next) replaceTasks(subject, slot, pace.order);
  if (running && waiting.length === 0 && busy === 0) finish(subject, pace, progress, held);
}

function stopIfFailed(subject: Subject, pace: Pace, progress: readonly SlotProgress[]): boolean {
  if (pace.failureAction === 'continue') return false;
  const culprit = failureOf(progress, pace.monitorMs, pace.maxFailureRatio);
  if (culprit === undefined) return false;
  const rollingBack = subject.service.updateStatus?.state === 'rollback_started';
  if (pace.failureAction === 'rollback' && !rollingBack) rollBack(subject, culprit.id);
  else pause(subject, culprit.id);
  return true;
}

function isTouched({ plan }: Subject, slot: Slot): boolean {
  return plan.hasCreated(slot) || slot.tasks.some((task) => plan.isTouched(task));
}

/** First those that have no node: what they take of the room that others then give up is of the new revision. */
function inTurn(waiting: readonly SlotProgress[]): readonly SlotProgress[] {
  const has = ({ slot }: SlotProgress): boolean => liveTasks(slot).some(hadNode);
  return [...waiting.filter((one) => !has(one)), ...waiting.filter(has)];
}

/**
 * Slots that count against the parallelism. Where another slot's task took the room that one had to give, as
 * many run as before: those two are even.
 */
function countBusy(subject: Subject, pace: Pace, progress: readonly SlotProgress[]): number {
  const busy = progress.filter((one) => isBusy(subject, pace, one));
  const starved = busy.filter((one) => lostItsRoom(subject, one));
  if (starved.length === 0) return busy.length;
  const gained = progress.filter(
    (one) => !busy.includes(one) && runsAnew(subject, one.slot) && !tookPlace(subject, one.slot),
  );
  return busy.length - Math.min(starved.length, gained.length);
}

/**
 * The old task is gone, and the new one was looked at since: what it said before may be of the room that the old
 * one still held. On its own node no other takes its place.
 */
function lostItsRoom(subject: Subject, { slot, first, settledAt }: SlotProgress): boolean {
  if (first === undefined || settledAt !== undefined || slot.nodeId !== '') return false;
  if (!findsNoNode(first) || first.desired !== 'running') return false;
  const isOld = (task: Task): boolean => isReplaced(subject, task);
  if (slot.tasks.some((t) => isOld(t) && (isLive(t) || isStopping(subject, t)))) return false;
  const given = slot.tasks.filter(isOld).map(({ meta }) => meta.updatedAt);
  const at = (Math.max(...given, first.meta.createdAt) + lookedAtMs) as Instant;
  if (at <= subject.now) return true;
  subject.plan.wake(at);
  return false;
}

/**
 * Counts against the parallelism: a new task that has not run yet, or ran less than the delay ago. Not one
 * that the update only added: it may have to wait for the room that the others make. Nor one that finds no
 * node, where there was none before: nobody misses it, and the others may be in need of the update.
 */
function isBusy(subject: Subject, pace: Pace, one: SlotProgress): boolean {
  if (one.waits) return isTouched(subject, one.slot);
  if (one.first === undefined || isAdded(subject, one.slot)) return false;
  if (findsNoNode(one.first) && !tookPlace(subject, one.slot)) return false;
  if (one.settledAt === undefined) return true;
  const free = later(one.settledAt, pace.delayMs);
  if (free <= subject.now) return false;
  subject.plan.wake(free);
  return true;
}

function replaceTasks(subject: Subject, slot: Slot, order: Pace['order']): void {
  const { revision, view, plan, now } = subject;
  const old = liveTasks(slot);
  const seed = `update of ${slot.tasks.map(({ id }) => id).join()}/${view.index}`;
  if (order === 'start-first' && old.some(hadNode))
    plan.create('update: start first', newTask(revision, slot, 'running', seed, now));
  else plan.replace('update: stop first', old, newTask(revision, slot, 'ready', seed, now));
}

/**
 * After the last replacement the update is watched for a while before it is called a success. It is none
 * before anything of it has run, while tasks wait for a node.
 */
function finish(
  subject: Subject,
  pace: Pace,
  progress: readonly SlotProgress[],
  held: number,
): void {
  const last = progress.reduce((latest, { settledAt = 0 }) => Math.max(latest, settledAt), 0);
  if (last === 0 && progress.some(({ first }) => first !== undefined && findsNoNode(first))) return;
  const at = (last === 0 ? 0 : last + pace.delayMs + lastWatchMs(pace)) as Instant;
  if (at > subject.now) subject.plan.wake(at);
  else complete(subject, held === 0 ? undefined : heldText(progress.length, held));
}
