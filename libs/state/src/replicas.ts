import { autoscaleOf } from './labels/autoscale.ts';
import { isStopped } from './labels/stopped.ts';
import type { Service } from './objects.ts';
import type { ServiceSpec } from './spec.ts';

type Spec = Pick<ServiceSpec, 'Mode' | 'Labels' | 'TaskTemplate'>;

/**
 * Replicas that are to be there now, whatever the spec began with: none while the service is stopped, and as many as
 * its load asks for where labels say so. Undefined for a service that is not replicated.
 */
export function replicasOf(service: Pick<Service, 'scaling'>, spec: Spec): number | undefined {
  if (spec.Mode.Replicated !== undefined && isStopped(spec.Labels)) return 0;
  return scaledReplicas(service, spec);
}

/** As {@link replicasOf}, also of a service that is stopped: so many are there when it is started. */
export function scaledReplicas(
  { scaling }: Pick<Service, 'scaling'>,
  spec: Spec,
): number | undefined {
  const asked = spec.Mode.Replicated?.Replicas;
  const autoscale = autoscaleOf(spec);
  // Who asks for none wants none.
  if (asked === undefined || asked === 0 || autoscale === undefined) return asked;
  if (autoscale.advises) return asked;
  return Math.min(Math.max(scaling?.replicas ?? asked, autoscale.min), autoscale.max);
}
