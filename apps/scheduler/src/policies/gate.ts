import {
  currentOf,
  type Dependency,
  type DependencyCondition,
  dependenciesOf,
  dependencyCycle,
  hasJobTaskFailed,
  isBefore,
  isJob,
  isStopped,
  jobRun,
  type Labels,
  type Revision,
  replicasOf,
  type Service,
  type ServiceSpec,
  type StateView,
  serviceByLabelName,
  serviceLabels,
  type Task,
} from '@shoal/state';

/** What the dependencies of a service let its tasks do. */
export interface Gate {
  /** Why they wait, as `Status.Err` says it; undefined when they need not. */
  readonly waits: string | undefined;
  /** A dependency that is not waited for, because it waits too; for the task's message. */
  readonly opened: string | undefined;
}

/** The gate of services without dependencies. */
export const openGate: Gate = { waits: undefined, opened: undefined };

/**
 * Whether tasks of the service may start by its `shoal.depends-on`. Asked until the first task of the
 * service was placed, or always where the label for it says so.
 */
export function gateOf(view: StateView, revision: Revision): Gate {
  const labels = serviceLabels(view, revision);
  const service = view.services.get(revision.serviceId);
  const all = askedDependencies(view, revision);
  if (service === undefined || all.length === 0) return openGate;
  const waits: string[] = [];
  const opened: string[] = [];
  for (const dependency of all) {
    const sentence = sentenceFor(view, labels, dependency);
    if (sentence === undefined) continue;
    const circle = circleToOpen(view, service, labels, dependency);
    if (circle === undefined) waits.push(sentence);
    else opened.push(`did not wait for ${dependency.name}: ${circle.join(' → ')} is a circle`);
  }
  return {
    waits: waits.length === 0 ? undefined : `waits for ${waits.join('; for ')}`,
    opened: opened.length === 0 ? undefined : opened.join('; '),
  };
}

/** What tasks of the service wait for, or would once that is not as it should be any more. */
export function askedDependencies(view: StateView, revision: Revision): readonly Dependency[] {
  const { all, recheck } = dependenciesOf(serviceLabels(view, revision));
  if (all.length === 0 || recheck) return all;
  const service = view.services.get(revision.serviceId);
  return service === undefined || hasStarted(view, service) ? [] : all;
}

function hasStarted(view: StateView, service: Service): boolean {
  for (const { status } of view.tasks.byService(service.id)) {
    const { state, startedAt } = status;
    const isOver = state === 'shutdown' || state === 'orphaned';
    const wasPlaced = !isBefore(state, 'assigned') && !isOver;
    if (wasPlaced || startedAt !== undefined) return true;
  }
  return false;
}

/** Continues "waits for"; undefined when the dependency is as it should be. */
function sentenceFor(
  view: StateView,
  labels: Labels,
  { name, condition }: Dependency,
): string | undefined {
  const service = serviceByLabelName(view, labels, name);
  if (service === undefined) return `${name}, but there is no service of that name`;
  const spec = currentOf(view, service)?.spec;
  if (spec === undefined) return undefined;
  const standing = isJob(spec)
    ? standingOfJob(view, service, condition)
    : standingOfService(view, service, spec, condition);
  if (standing === undefined) return undefined;
  return `${name} to be ${condition} (${standing})`;
}

/** "0 of 1 running"; undefined when that is enough. A service that is to have no tasks is enough. */
function standingOfService(
  view: StateView,
  service: Service,
  spec: ServiceSpec,
  condition: DependencyCondition,
): string | undefined {
  if (isStopped(spec.Labels)) return 'it is stopped';
  const tasks = [...view.tasks.byService(service.id)];
  const live = tasks.filter(({ desired }) => !isBefore('complete', desired));
  const replicas = replicasOf(service, spec);
  if (condition === 'completed') {
    const ended = tasks.filter(({ status }) => status.state === 'complete');
    const complete = new Set(ended.map(placeOf)).size;
    // What is done, or failed for good, is not live; it was to run on its node all the same.
    const wanted = replicas ?? countNodes([...live, ...ended, ...failedLast(tasks)]);
    return complete >= wanted ? undefined : `${complete} of ${wanted} complete`;
  }
  const wanted = replicas ?? countNodes(live);
  const running = live.filter(({ status }) => status.state === 'running').length;
  const isMet =
    condition === 'healthy'
      ? running >= wanted
      : wanted === 0 || begunTasks(view, service).length > 0;
  return isMet ? undefined : `${running} of ${wanted} running`;
}

/** The tasks that are enough, each of them, for the service to be started; of a job those of its run. */
export function begunTasks(view: StateView, service: Service): readonly Task[] {
  const iteration = service.jobStatus?.iteration;
  const tasks = [...view.tasks.byService(service.id)];
  return tasks.filter((task) => task.jobIteration === iteration && hasBegun(task));
}

/** Its container is there, whether healthy yet or not; or it is done already. */
function hasBegun({ status, desired }: Task): boolean {
  const { state, container } = status;
  if (state === 'complete') return true;
  if (isBefore('complete', desired)) return false;
  return state === 'running' || (state === 'starting' && (container?.pid ?? 0) > 0);
}

/** "0 of 1 complete" of the job's run that is on or was last; undefined when that is enough. */
function standingOfJob(
  view: StateView,
  service: Service,
  condition: DependencyCondition,
): string | undefined {
  const run = jobRun(view, service);
  if (run === undefined) return 'it has not run yet';
  const standings = [...run.standings.values()];
  const complete = standings.filter((standing) => standing === 'complete').length;
  const failed = standings.filter((standing) => standing === 'given-up').length;
  if (condition !== 'completed')
    return begunTasks(view, service).length > 0 ? undefined : '0 of 1 running';
  const total = run.revision.spec.Mode.ReplicatedJob?.TotalCompletions;
  const wanted = total ?? standings.length + [...run.missing()].length;
  if (complete === wanted && wanted > 0) return undefined;
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  return `${complete} of ${wanted} complete${failures}`;
}

/**
 * Names of a circle of services that wait for each other, which this one opens: of all in it, it was
 * created first. Undefined when there is none, or another one is to open it.
 */
function circleToOpen(
  view: StateView,
  service: Service,
  labels: Labels,
  dependency: Dependency,
): readonly string[] | undefined {
  const isYounger = (other: Service): boolean => isOlder(service, other);
  const only = { ...labels, 'shoal.depends-on': `${dependency.name}:${dependency.condition}` };
  return dependencyCycle(view, { name: service.name, labels: only }, isYounger);
}

function isOlder(a: Service, b: Service): boolean {
  return a.meta.createdAt === b.meta.createdAt ? a.id < b.id : a.meta.createdAt < b.meta.createdAt;
}

/** At least one: where there are none yet, they are still to be made. */
function countNodes(tasks: readonly Task[]): number {
  return Math.max(1, new Set(tasks.map(({ nodeId }) => nodeId)).size);
}

/** Of each node the newest task, if that is one that failed. */
function failedLast(tasks: readonly Task[]): readonly Task[] {
  const newest = new Map(tasks.map((task) => [task.nodeId, task]));
  return [...newest.values()].filter(hasJobTaskFailed);
}

function placeOf({ slot, nodeId }: Task): string | number {
  return slot === 0 ? nodeId : slot;
}
