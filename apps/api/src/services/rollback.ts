import { ApiError, apiErrors } from '@shoal/docker-api';
import type { Clock } from '@shoal/runtime';
import { isJob, jobStatusAfter, type Revision, type Service, type StateView } from '@shoal/state';
import { endpointAt } from './endpoint.ts';

/** Largest number of a revision in a request; beyond it numbers are not exact. */
const numberMax = Number.MAX_SAFE_INTEGER;

/**
 * The service on its way back to an earlier revision, the previous one if none is named. The two change
 * places, so that a second rollback undoes the first. @throws ApiError
 */
export function rolledBack(
  clock: Pick<Clock, 'now'>,
  view: StateView,
  service: Service,
  to: number | undefined = service.previousRevision,
): Service {
  if (to === undefined) throw apiErrors.noPreviousSpec(service.id);
  if (to === service.revision)
    throw new ApiError(400, `service ${service.name} is at revision ${to} already`);
  const target = view.revisions.of(service.id, to);
  if (target === undefined) throw new ApiError(404, unknownRevision(view, service, to));
  const now = clock.now();
  return {
    ...service,
    revision: to,
    previousRevision: service.revision,
    endpoint: endpointAt(service.endpoint, target),
    // A job is not updated task by task: it runs again, by its schedule if it has one. Going back forces nothing.
    jobStatus: jobStatusAfter(service.jobStatus, undefined, target, now),
    updateStatus: isJob(target.spec)
      ? undefined
      : {
          state: 'rollback_started',
          startedAt: now,
          since: service.meta.updatedAt,
          message: 'manually requested rollback',
        },
  };
}

/** The revision that `?to=N` names; undefined when it names none. @throws ApiError 400 */
export function revisionNumber(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const number = Number(text);
  if (!/^[1-9]\d*$/.test(text) || number > numberMax)
    throw new ApiError(400, `invalid revision "${text}": must be a whole number from 1`);
  return number;
}

/** Revisions of the service that are kept, newest first. */
export function keptRevisions(view: StateView, service: Service): readonly Revision[] {
  return [...view.revisions.byService(service.id)].sort((a, b) => b.number - a.number);
}

function unknownRevision(view: StateView, service: Service, to: number): string {
  const kept = keptRevisions(view, service).map(({ number }) => number);
  return `service ${service.name} has no revision ${to}; kept are ${kept.join(', ')}`;
}
