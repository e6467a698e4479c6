import { ApiError, currentRevision } from '@shoal/docker-api';
import {
  canaryLabel,
  isBefore,
  isJob,
  isTerminal,
  type ServiceSpec,
  type StateView,
  type Task,
  taskName,
} from '@shoal/state';

/**
 * The task as it is told to stop. Its slot, or its node, is then without a task, and gets another one of the same
 * kind; that is no failure, uses up no attempt to restart, and waits for nothing but the end of this one.
 * @throws ApiError where nothing would take its place
 */
export function restarted(view: StateView, task: Task): Task {
  const service = view.services.get(task.serviceId);
  if (service === undefined) throw new ApiError(409, `the service of task ${task.id} is gone`);
  const { spec } = currentRevision(view, service);
  const name = taskName(task, service.name);
  const instead = `docker service update --force ${service.name}`;
  if (isJob(spec))
    throw new ApiError(409, `${name} is of a job, which ends by itself: ${instead} runs it again`);
  if (isBefore('running', task.desired) || isTerminal(task.status.state))
    throw new ApiError(409, `task ${name} is over, or about to be: name the one in its place`);
  if (specInPlace(view, task, spec).TaskTemplate.RestartPolicy?.Condition === 'none')
    throw new ApiError(
      409,
      `service ${service.name} restarts no task (--restart-condition none): ${instead} replaces all of them`,
    );
  const node = view.nodes.get(task.nodeId);
  if (spec.Mode.Global !== undefined && node?.spec.Availability === 'pause')
    throw new ApiError(
      409,
      `node ${node.description?.Hostname ?? node.id} of task ${name} is paused, and no other task of a global service begins there: docker node update --availability active ${node.id} lets it`,
    );
  return { ...task, desired: 'shutdown' };
}

/** What the next task in its place is made of: while a canary runs the others are replaced by their like. */
function specInPlace(view: StateView, task: Task, current: ServiceSpec): ServiceSpec {
  if (current.Labels[canaryLabel] === undefined) return current;
  return view.revisions.of(task.serviceId, task.revision)?.spec ?? current;
}
