import { matchesConstraints, parseConstraints } from './constraint.ts';
import { isJob } from './job.ts';
import type { Node, Revision, Task } from './objects.ts';
import { sameTask } from './same-task.ts';
import type { StateView } from './view.ts';

/** How a task made from one revision stands to another revision of its service. */
export type TaskAge =
  /** Made anew, it would be the same. */
  | 'current'
  /** Only where it may run differs: it is current wherever that is met (Swarm does the same). */
  | 'placement-differs'
  | 'old';

/** `made` is the revision the task was made from; undefined when it is gone. */
export function taskAge(made: Revision | undefined, current: Revision): TaskAge {
  if (made === undefined) return 'old';
  if (made.number === current.number || sameTask(made, current)) return 'current';
  const { Placement } = current.spec.TaskTemplate;
  const TaskTemplate = { ...made.spec.TaskTemplate, Placement };
  const moved = { ...made, spec: { ...made.spec, TaskTemplate } };
  return sameTask(moved, current) ? 'placement-differs' : 'old';
}

/** Whether the node meets the constraints that the revision asks for. */
export function meetsPlacement(node: Node | undefined, revision: Revision): boolean {
  const parsed = parseConstraints(revision.spec.TaskTemplate.Placement?.Constraints ?? []);
  return (
    node !== undefined &&
    parsed.kind === 'constraints' &&
    matchesConstraints(parsed.constraints, node)
  );
}

/**
 * Whether the task is what its service asks for now; one that is not is replaced by the update.
 * Of a job: whether it belongs to the run that is on, or was last.
 */
export function isUpToDate(view: StateView, task: Task): boolean {
  const service = view.services.get(task.serviceId);
  const current = service && view.revisions.of(service.id, service.revision);
  if (current === undefined) return false;
  if (isJob(current.spec)) return task.jobIteration === service?.jobStatus?.iteration;
  const age = taskAge(view.revisions.of(task.serviceId, task.revision), current);
  if (age !== 'placement-differs') return age === 'current';
  return meetsPlacement(view.nodes.get(task.nodeId), current);
}
