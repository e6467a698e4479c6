import { invalidArgument } from '@shoal/docker-api';
import {
  checkAffinityLabels,
  checkAutoscaleLabels,
  checkBalancingLabels,
  checkCanaryLabel,
  checkContainerLabels,
  checkCronLabels,
  checkCronMode,
  checkDependencyCycle,
  checkDependencyLabels,
  checkDrainLabels,
  checkPlacementLabels,
  checkRebalanceLabels,
  checkRestartLabels,
  checkStoppedLabel,
  type Labels,
  type ServiceSpec,
  type StateView,
} from '@shoal/state';

/** Each answers what is wrong with the labels in one sentence that names label, value and allowed form. */
const checks: readonly ((labels: Labels) => string | undefined)[] = [
  checkAffinityLabels,
  checkBalancingLabels,
  checkCronLabels,
  checkDependencyLabels,
  checkDrainLabels,
  checkPlacementLabels,
  checkRebalanceLabels,
  checkRestartLabels,
];

/**
 * Refuses what the swarm's own labels, the defaults of its services, say wrong.
 *
 * @throws ApiError 400
 */
export function checkClusterLabels(labels: Labels): void {
  const fault = checkPlacementLabels(labels);
  if (fault !== undefined) throw invalidArgument(fault);
}

/**
 * Refuses what labels of a service and of its containers say wrong of how it is to be placed, started and run.
 *
 * @throws ApiError 400
 */
export function checkLabels(view: StateView, spec: ServiceSpec): void {
  const { Name, Labels } = spec;
  for (const check of checks) {
    const fault = check(Labels);
    if (fault !== undefined) throw invalidArgument(fault);
  }
  const fault = checkContainerLabels(spec.TaskTemplate.ContainerSpec.Labels ?? {});
  if (fault !== undefined) throw invalidArgument(fault);
  const misplaced =
    checkCronMode(spec) ??
    checkStoppedLabel(spec) ??
    checkCanaryLabel(spec) ??
    checkAutoscaleLabels(spec);
  if (misplaced !== undefined) throw invalidArgument(misplaced);
  const circle = checkDependencyCycle(view, { name: Name, labels: Labels });
  if (circle !== undefined) throw invalidArgument(circle);
}
