import { currentRevision } from '@shoal/docker-api';
import { autoscaleOf, type Service, type StateView, scaledReplicas } from '@shoal/state';

/** How a service that is scaled by load stands. */
export interface Scaling {
  /** Tasks that there are to be; where it only advises, those that there would be. */
  readonly replicas: number;
  readonly min: number;
  readonly max: number;
  readonly advises: boolean;
  /** Why so many, and what comes next: one sentence for people. */
  readonly text: string;
}

/** Undefined for a service that is not scaled by load. */
export function scalingOf(view: StateView, service: Service): Scaling | undefined {
  const { spec } = currentRevision(view, service);
  const autoscale = autoscaleOf(spec);
  const now = scaledReplicas(service, spec);
  if (autoscale === undefined || now === undefined || now === 0) return undefined;
  const { min, max, advises, downAfterMs } = autoscale;
  const { scaling } = service;
  const wanted = Math.min(Math.max(scaling?.replicas ?? now, min), max);
  const bounds = `of ${min} to ${max}`;
  const why = scaling?.reason ?? 'its load has asked for no other number yet';
  const fewer = scaling?.fewer === undefined ? '' : fewerText(scaling.fewer, downAfterMs);
  const text = advises
    ? `${now} tasks as asked for; by load it would have ${wanted}, ${bounds}: ${why}${fewer}`
    : `${wanted} tasks by load, ${bounds}: ${why}${fewer}`;
  return { replicas: wanted, min, max, advises, text };
}

function fewerText(
  { since, most }: NonNullable<NonNullable<Service['scaling']>['fewer']>,
  downAfterMs: number,
): string {
  const due = new Date(since + downAfterMs).toISOString();
  const needed = most === undefined ? 'fewer have been' : `no more than ${most} have been`;
  return `; ${needed} needed since ${new Date(since).toISOString()}, and if that stays so there are fewer from ${due}`;
}
