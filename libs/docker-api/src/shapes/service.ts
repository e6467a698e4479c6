import { invariant } from '@shoal/runtime';
import type { Revision, Service, ServiceSpec, StateView, Task } from '@shoal/state';
import { type Filters, hasLabels, passes } from '../filters.ts';
import { rfc3339Nano } from '../time.ts';
import { metaShape, unlessEmpty, unlessNone, unlessZero } from './meta.ts';
import { serviceSpecShape } from './service-spec.ts';

export interface ServiceShapeOptions {
  readonly insertDefaults: boolean;
  /** Adds `ServiceStatus`, as lists with `status=true` have it. */
  readonly status: boolean;
}

/** The revision that a service stands at. */
export function currentRevision(view: StateView, service: Service): Revision {
  const revision = view.revisions.of(service.id, service.revision);
  invariant(revision !== undefined, 'a service without its revision', { service: service.id });
  return revision;
}

export function serviceShape(view: StateView, service: Service, options: ServiceShapeOptions) {
  const current = currentRevision(view, service);
  const { previousRevision } = service;
  const previous =
    previousRevision === undefined ? undefined : view.revisions.of(service.id, previousRevision);
  return {
    ...metaShape(service.id, service.meta),
    Spec: serviceSpecShape(current.spec, options.insertDefaults),
    PreviousSpec: previous === undefined ? undefined : serviceSpecShape(previous.spec, false),
    Endpoint: endpointShape(view, service),
    UpdateStatus: updateStatusShape(service),
    ServiceStatus: options.status ? serviceStatus(view, service, current.spec) : undefined,
    JobStatus: isJob(current.spec)
      ? {
          JobIteration: { Index: unlessZero(jobIteration(current.number)) },
          LastExecution: rfc3339Nano(current.meta.createdAt),
        }
      : undefined,
  };
}

/** Each update of a job runs it again; the first run is iteration 0. */
export function jobIteration(revision: number): number {
  return revision - 1;
}

export function isJob(spec: ServiceSpec): boolean {
  return spec.Mode.ReplicatedJob !== undefined || spec.Mode.GlobalJob !== undefined;
}

function endpointShape(view: StateView, { id, endpoint }: Service) {
  const allocatedFor =
    endpoint.revision === 0 ? undefined : view.revisions.of(id, endpoint.revision);
  return {
    Spec: allocatedFor?.spec.EndpointSpec ?? {},
    Ports: unlessNone(endpoint.ports),
    VirtualIPs: unlessNone(
      endpoint.virtualIps.map(({ networkId, addr }) => ({
        NetworkID: networkId,
        Addr: unlessEmpty(addr),
      })),
    ),
  };
}

function updateStatusShape({ updateStatus }: Service) {
  if (updateStatus === undefined) return undefined;
  const { state, startedAt, completedAt, message } = updateStatus;
  return {
    State: state,
    StartedAt: rfc3339Nano(startedAt),
    CompletedAt: completedAt === undefined ? undefined : rfc3339Nano(completedAt),
    Message: message,
  };
}

function serviceStatus(view: StateView, service: Service, spec: ServiceSpec) {
  const job = isJob(spec);
  let running = 0;
  let wanted = 0;
  let completed = 0;
  for (const task of view.tasks.byService(service.id)) {
    if (job && task.revision !== service.revision) continue;
    if (task.status.state === 'running') running += 1;
    if (isWanted(task, job)) wanted += 1;
    if (job && task.status.state === 'complete') completed += 1;
  }
  const { Replicated, ReplicatedJob } = spec.Mode;
  return {
    RunningTasks: running,
    DesiredTasks: Replicated?.Replicas ?? ReplicatedJob?.MaxConcurrent ?? wanted,
    CompletedTasks: completed,
  };
}

function isWanted(task: Task, job: boolean): boolean {
  return task.desired === (job ? 'complete' : 'running');
}

export function modeName(spec: ServiceSpec): string {
  if (spec.Mode.Global !== undefined) return 'global';
  if (spec.Mode.ReplicatedJob !== undefined) return 'replicated-job';
  if (spec.Mode.GlobalJob !== undefined) return 'global-job';
  return 'replicated';
}

export function serviceFilter(view: StateView, filters: Filters): (service: Service) => boolean {
  return (service) => {
    const { spec } = currentRevision(view, service);
    return (
      passes(filters, 'id', (id) => service.id.startsWith(id)) &&
      passes(filters, 'name', (name) => service.name.startsWith(name)) &&
      passes(filters, 'mode', (mode) => modeName(spec) === mode) &&
      passes(filters, 'runtime', (runtime) => runtime === 'container') &&
      hasLabels(filters, 'label', spec.Labels)
    );
  };
}
