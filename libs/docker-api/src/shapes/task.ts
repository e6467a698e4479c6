import {
  isUpToDate,
  type Revision,
  type StateView,
  type Task,
  taskName,
  taskStateRank,
} from '@shoal/state';
import { type Filters, hasStoredLabels, passes, valuesAmong } from '../filters.ts';
import { resolveNode, resolveService } from '../resolve.ts';
import { rfc3339Nano } from '../time.ts';
import { attachmentShapes } from './attachments.ts';
import { metaShape, unlessEmpty, unlessNone, unlessZero } from './meta.ts';
import { taskTemplateShape } from './service-spec.ts';

export function taskShape(view: StateView, task: Task) {
  const revision = view.revisions.of(task.serviceId, task.revision);
  return taskShapeWith(task, taskSpecShape(revision), unlessNone(attachmentShapes(view, task)));
}

/** What a task shows of the revision it was made from, which may be gone. */
export function taskSpecShape(revision: Revision | undefined) {
  return revision === undefined
    ? { ForceUpdate: 0 }
    : taskTemplateShape(revision.spec.TaskTemplate);
}

/** A task with what others have said already: its spec, and its networks. */
export function taskShapeWith<S, N>(task: Task, spec: S, networks: N) {
  const { status } = task;
  return {
    ...metaShape(task.id, task.meta),
    Labels: {},
    Spec: spec,
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
    NetworksAttachments: networks,
    JobIteration:
      task.jobIteration === undefined ? undefined : { Index: unlessZero(task.jobIteration) },
    Volumes: null,
  };
}

/**
 * The tasks that a list shows.
 * @throws ApiError 404 for services and nodes that are not there, 500 for states that are none.
 */
export function shownTasks(view: StateView, filters: Filters): readonly Task[] {
  const tests = testsOf(view, filters);
  const candidates = taskCandidates(view, filters);
  if (tests.length === 0) return Array.from(candidates);
  const shown: Task[] = [];
  for (const task of candidates) if (tests.every((passing) => passing(task))) shown.push(task);
  return shown;
}

function testsOf(view: StateView, filters: Filters): readonly ((task: Task) => boolean)[] {
  const states = valuesAmong(filters, 'desired-state', Object.keys(taskStateRank));
  const services = idsOf(filters, 'service', (ref) => resolveService(view, ref).id);
  const nodes = idsOf(filters, 'node', (ref) => resolveNode(view, ref).id);
  // Only what is asked for is looked at: lists are long.
  const tests: ((task: Task) => boolean)[] = [];
  const test = (key: string, passing: (task: Task) => boolean): void => {
    if ((filters.get(key) ?? []).length > 0) tests.push(passing);
  };
  test('service', (task) => services?.has(task.serviceId) === true);
  test('node', (task) => nodes?.has(task.nodeId) === true);
  test('id', (task) => passes(filters, 'id', (id) => task.id.startsWith(id)));
  test('name', (task) => {
    const name = nameOf(task, view.services.get(task.serviceId)?.name);
    return passes(filters, 'name', (prefix) => name.startsWith(prefix));
  });
  if (states !== undefined) tests.push(({ desired }) => states.has(desired));
  test('runtime', () => passes(filters, 'runtime', (runtime) => runtime === 'container'));
  test('_up-to-date', (task) => isUpToDate(view, task));
  test('label', (task) =>
    hasStoredLabels(
      filters,
      'label',
      view.revisions.of(task.serviceId, task.revision)?.spec.Labels,
    ));
  return tests;
}

/** Tasks worth looking at before the filter itself: those of the services and nodes it names. */
function taskCandidates(view: StateView, filters: Filters): Iterable<Task> {
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
