import type { Instant } from '@shoal/runtime';
import {
  type Autoscale,
  autoscaleOf,
  isStopped,
  loadPeriodMs,
  type Service,
  type ServiceScaling,
  type Task,
} from '@shoal/state';
import type { Subject } from '../subject.ts';
import { loadsOf, type Need, needOf } from './need.ts';

/** In each period nodes have so long to tell what they measured at its begin, milliseconds. */
const tellMs = 5_000;
/** After a change the load is that of other tasks, and says nothing before it was measured anew; milliseconds. */
export const settleMs = 2 * loadPeriodMs;
/** In one step at most twice as many tasks, and always so many more, as Kubernetes' autoscaler has it. */
const moreAtOnce = 4;

/**
 * Decides by the load of its tasks how many a service is to have. What it decides stands beside the spec, which goes
 * on to say what somebody asked for. True when it wrote the service: everything else of it waits for the next step.
 */
export function tendScaling(subject: Subject, tasks: readonly Task[]): boolean {
  const { view, service, plan, now } = subject;
  const { spec } = subject.revision;
  const asked = spec.Mode.Replicated?.Replicas ?? 0;
  const autoscale = autoscaleOf(spec);
  if (autoscale === undefined || asked === 0) {
    if (service.scaling === undefined) return false;
    plan.updateService('no longer scaled by load', { ...service, scaling: undefined });
    return true;
  }
  if (isStopped(spec.Labels)) return false;
  const known = loadsOf(
    tasks.filter(({ nodeId }) => view.nodes.get(nodeId)?.status.state === 'ready'),
  );
  const standing = standingOf(service, asked, autoscale);
  const need = needOf(known, autoscale.advises ? asked : standing.replicas, autoscale);
  const next = decide(standing, need, autoscale, now);
  if (next !== standing) {
    const decidesAt = decisionTime(service.scaling?.changedAt, now);
    if (decidesAt <= now) {
      plan.updateService(causeOf(standing, next), { ...service, scaling: next });
      return true;
    }
    plan.wake(decidesAt as Instant);
  } else if (standing.fewer !== undefined) plan.wake(fewerDue(standing.fewer, autoscale, now));
  return false;
}

/** Few words, and no figures: causes are counted. */
function causeOf({ replicas }: ServiceScaling, next: ServiceScaling): string {
  if (next.replicas === replicas) return next.fewer === undefined ? 'no less load' : 'less load';
  return next.replicas > replicas ? 'load: more tasks' : 'load: fewer tasks';
}

/** The first time from `now` on at which all nodes have told what they measured since the last change. */
function decisionTime(changedAt: Instant | undefined, now: Instant): number {
  const settled = changedAt === undefined ? now : Math.max(changedAt + settleMs, now);
  const toldAt = Math.floor(settled / loadPeriodMs) * loadPeriodMs + tellMs;
  return Math.max(settled, toldAt);
}

/** When time alone may bring the next change. */
function fewerDue(
  { since, most }: NonNullable<ServiceScaling['fewer']>,
  { downAfterMs }: Autoscale,
  now: Instant,
): Instant {
  const downAt = since + downAfterMs;
  const settledAt = since + settleMs;
  return (most === undefined && settledAt > now ? Math.min(settledAt, downAt) : downAt) as Instant;
}

/** Where it stands, within today's bounds. */
function standingOf(
  { scaling, meta }: Pick<Service, 'scaling' | 'meta'>,
  asked: number,
  { min, max }: Autoscale,
): ServiceScaling {
  const { replicas = asked } = scaling ?? {};
  const bounded = within(replicas, min, max);
  if (scaling === undefined)
    return { replicas: bounded, changedAt: meta.createdAt, reason: 'as asked for' };
  return bounded === replicas ? scaling : { ...scaling, replicas: bounded };
}

/** The same object when nothing changes. */
function decide(
  standing: ServiceScaling,
  need: Need | undefined,
  { min, max, downAfterMs }: Autoscale,
  now: Instant,
): ServiceScaling {
  const { replicas, fewer } = standing;
  const atOnce = Math.max(replicas * 2, replicas + moreAtOnce);
  const wanted = within(Math.min(need?.tasks ?? replicas, atOnce), min, max);
  if (need === undefined || wanted === replicas)
    return fewer === undefined ? standing : { ...standing, fewer: undefined };
  const { reason } = need;
  if (wanted > replicas) return { replicas: wanted, changedAt: now, reason };
  const { since, most = wanted } = fewer ?? { since: now };
  const needed = Math.max(most, wanted);
  if (now - since >= downAfterMs) return { replicas: needed, changedAt: now, reason };
  if (fewer === undefined) return { ...standing, fewer: { since } };
  // The first measures are partly of the time before.
  if (fewer.most === needed || now - since < settleMs) return standing;
  return { ...standing, fewer: { since, most: needed } };
}

function within(count: number, min: number, max: number): number {
  return Math.min(Math.max(count, min), max);
}
