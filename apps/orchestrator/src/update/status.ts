import { invariant } from '@shoal/runtime';
import { missingReference, type Service, type UpdateStatus } from '@shoal/state';
import type { Subject } from '../subject.ts';
import { isRollback } from './config.ts';

/** Writes the status and keeps when the update began. */
function setStatus(
  { service, plan, now }: Subject,
  status: Pick<UpdateStatus, 'state' | 'message'>,
  changes: Partial<Pick<Service, 'revision' | 'previousRevision' | 'name'>> = {},
): void {
  const before = service.updateStatus;
  const times =
    status.state === 'rollback_started'
      ? { startedAt: now, since: service.meta.updatedAt }
      : { startedAt: before?.startedAt ?? now, ...(before?.since && { since: before.since }) };
  const updateStatus: UpdateStatus = { ...status, ...times };
  plan.updateService(status.message, { ...service, ...changes, updateStatus });
}

export function begin(subject: Subject): void {
  setStatus(subject, { state: 'updating', message: 'update in progress' });
}

/** With `heldText`, it went as far as it may. */
export function complete({ service, plan, now }: Subject, heldText = 'update completed'): void {
  const { updateStatus } = service;
  invariant(updateStatus !== undefined, 'an update that never began', { id: service.id });
  const [state, message] = isRollback(updateStatus)
    ? (['rollback_completed', 'rollback completed'] as const)
    : (['completed', heldText] as const);
  plan.updateService(message, {
    ...service,
    updateStatus: { ...updateStatus, state, message, completedAt: now },
  });
}

/** With `obstacle`, it also says why there is no way back. */
export function pause(subject: Subject, culprit: string, obstacle = ''): void {
  const rollingBack = isRollback(subject.service.updateStatus);
  const what = rollingBack ? 'rollback' : 'update';
  setStatus(subject, {
    state: rollingBack ? 'rollback_paused' : 'paused',
    message: `${what} paused due to failure or early termination of task ${culprit}${obstacle}`,
  });
}

/** Goes back to the previous revision, once: what failed is not remembered as the one before. */
export function rollBack(subject: Subject, culprit: string): void {
  const { service, view } = subject;
  // A run by schedule changed nothing that could be undone: the one before is a person's change.
  const isRun = service.cron?.revision === service.revision;
  const number = isRun ? undefined : service.previousRevision;
  const previous = number === undefined ? undefined : view.revisions.of(service.id, number);
  if (previous === undefined) {
    pause(subject, culprit);
    return;
  }
  const { networks: network, secrets: secret, configs: config } = view;
  const gone = missingReference(previous, { network, secret, config });
  if (gone !== undefined) {
    const way = `no rollback to revision ${previous.number}`;
    pause(subject, culprit, `; ${way}: ${gone.table} ${gone.name} is gone`);
    return;
  }
  setStatus(
    subject,
    {
      state: 'rollback_started',
      message: `update rolled back due to failure or early termination of task ${culprit}`,
    },
    { revision: previous.number, previousRevision: undefined, name: previous.spec.Name },
  );
}
