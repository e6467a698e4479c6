import { isUpToDate, type StateView, type Task, taskName, taskStateRank } from '@shoal/state';
import { ApiError } from '../errors.ts';
import { type Filters, hasLabels, passes } from '../filters.ts';
import { resolveNode, resolveService } from '../resolve.ts';
import { rfc3339Nano } from '../time.ts';
import { attachmentShapes } from './attachments.ts';
import { metaShape, unlessEmpty, unlessNone, unlessZero } from './meta.ts';
import { taskTemplateShape } from './service-spec.ts';

export function taskShape(view: StateView, task: Task) {
  const revision = view.revisions.of(task.serviceId, task.revision);
  const { status } = task;
  return {
    ...metaShape(task.id, task.meta),
    Labels: {},
    Spec:
      revision === undefined ? { ForceUpdate: 0 } : taskTemplateShape(revision.spec.TaskTemplate),
    ServiceID: unlessEmpty(task.serviceId),
    // Jobs count their slots from 0; global tasks have none.
    Slot: unlessZero(task.slot),
    NodeID: unlessEmpty(task.nodeId),
    GenericResources: unlessNone(task.genericResources),
    Status: {
      Timestamp: rfc3339Nano(status.at),
      State: status.state,
      Message: unlessEmpty(status.message),
      // The agent's own words say only that it was stopped.
      Err: unlessEmpty(status.err || (task.displaced?.reason ?? '')),
      ContainerStatus:
        status.container === undefined
          ? undefined
          : {
              ContainerID: status.container.id,
              PID: status.container.pid,
              ExitCode: status.container.exitCode,
            },
      PortStatus: { Ports: unlessNone(status.ports) },
    },
    DesiredState: task.desired,
    NetworksAttachments: unlessNone(attachmentShapes(view, task)),
    JobIteration:
      task.jobIteration === undefined ? undefined : { Index: unlessZero(task.jobIteration) },
    Volumes: null,
  };
}

/**
 * Which tasks a list shows.
 * @throws ApiError 404 for services and nodes that are not there, 500 for states that are none.
 */
export function taskFilter(view: StateView, filters: Filters): (task: Task) => boolean {
  for (const state of filters.get('desired-state') ?? [])
    if (!Object.hasOwn(taskStateRank, state))
      throw new ApiError(500, `Invalid desired-state filter: '${state}'`);
  const services = idsOf(filters, 'service', (ref) => resolveService(view, ref).id);
  const nodes = idsOf(filters, 'node', (ref) => resolveNode(view, ref).id);
  const upToDate = (filters.get('_up-to-date') ?? []).length > 0;
  return (task) => {
    const service = view.services.get(task.serviceId);
    const revision = view.revisions.of(task.serviceId, task.revision);
    return (
      (services === undefined || services.has(task.serviceId)) &&
      (nodes === undefined || nodes.has(task.nodeId)) &&
      passes(filters, 'id', (id) => task.id.startsWith(id)) &&
      passes(filters, 'name', (name) => nameOf(task, service?.name).startsWith(name)) &&
      passes(filters, 'desired-state', (state) => task.desired === state) &&
      passes(filters, 'runtime', (runtime) => runtime === 'container') &&
      (!upToDate || isUpToDate(view, task)) &&
      hasLabels(filters, 'label', revision?.spec.Labels)
    );
  };
}

/** Tasks worth looking at before the filter itself: those of the services and nodes it names. */
export function taskCandidates(view: StateView, filters: Filters): Iterable<Task> {
  const services = idsOf(filters, 'service', (ref) => resolveService(view, ref).id);
  if (services !== undefined) return [...services].flatMap((id) => [...view.tasks.byService(id)]);
  const nodes = idsOf(filters, 'node', (ref) => resolveNode(view, ref).id);
  if (nodes !== undefined) return [...nodes].flatMap((id) => [...view.tasks.byNode(id)]);
  return view.tasks.values();
}

function idsOf(
  filters: Filters,
  key: string,
  resolve: (ref: string) => string,
): ReadonlySet<string> | undefined {
  const values = filters.get(key) ?? [];
  return values.length === 0 ? undefined : new Set(values.map(resolve));
}

function nameOf(task: Task, serviceName: string | undefined): string {
  return serviceName === undefined ? '' : taskName(task, serviceName);
}
