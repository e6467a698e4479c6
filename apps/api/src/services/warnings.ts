import {
  autoscaleLabels,
  type Service,
  type ServiceSpec,
  scaledReplicas,
  unknownLabels,
} from '@shoal/state';

/**
 * The warnings of an answer, null for none: with those about labels that look like ours and do nothing, and about
 * a number of tasks that will be another one.
 */
export function warningsOf(
  spec: ServiceSpec,
  scaling: Service['scaling'],
  warnings: readonly string[] | null,
): readonly string[] | null {
  const { Labels, TaskTemplate } = spec;
  const own = [
    ...unknownLabels(Labels, 'service'),
    ...unknownLabels(TaskTemplate.ContainerSpec.Labels ?? {}, 'container'),
    ...otherReplicas(spec, scaling),
  ];
  return own.length === 0 ? warnings : [...(warnings ?? []), ...own];
}

function otherReplicas(spec: ServiceSpec, scaling: Service['scaling']): readonly string[] {
  const asked = spec.Mode.Replicated?.Replicas;
  const replicas = scaledReplicas({ scaling }, spec);
  if (replicas === asked) return [];
  const { max } = autoscaleLabels;
  return [
    `service ${spec.Name} is to have ${replicas} tasks, not ${asked}: it is scaled by load (label ${max})`,
  ];
}
