import { type Instant, invariant } from '@shoal/runtime';
import {
  isJob,
  isRunOver,
  isSeenRunning,
  isStopped,
  jobCounts,
  jobRun,
  nextTime,
  parseSchedule,
  type Revision,
  replicasOf,
  type Service,
  type ServiceSpec,
  type StateView,
  scaledReplicas,
  stoppedLabel,
} from '@shoal/state';
import { type Filters, hasStoredLabels, passes } from '../filters.ts';
import { rfc3339Nano } from '../time.ts';
import { metaShape, unlessEmpty, unlessNone, unlessZero } from './meta.ts';
import { endpointSpecShape, portShape, serviceSpecShape } from './service-spec.ts';

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
  return gatheredServiceShape(gatherService(view, service, options), options);
}

export type GatheredService = ReturnType<typeof gatherService>;

/** A service with all that its shape is made of, so that it can be written later as it is now. */
export function gatherService(
  view: StateView,
  service: Service,
  { status }: Pick<ServiceShapeOptions, 'status'>,
) {
  const { id, previousRevision, endpoint } = service;
  const current = currentRevision(view, service);
  const { spec } = current;
  const allocatedFor =
    endpoint.revision === 0 ? undefined : view.revisions.of(id, endpoint.revision);
  return {
    service,
    current,
    previous: previousRevision === undefined ? undefined : view.revisions.of(id, previousRevision),
    allocatedFor,
    hostNetworks: hostNetworksOf(view, allocatedFor),
    resting:
      isJob(spec) || isStopped(spec.Labels) ? restingShape(view, service, current) : undefined,
    status: status ? serviceStatus(view, service, spec) : undefined,
  };
}

export function gatheredServiceShape(
  { service, current, previous, allocatedFor, hostNetworks, resting, status }: GatheredService,
  { insertDefaults }: Pick<ServiceShapeOptions, 'insertDefaults'>,
) {
  return {
    ...metaShape(service.id, service.meta),
    Spec: serviceSpecShape(shownSpec(service, current.spec), insertDefaults),
    PreviousSpec: previous === undefined ? undefined : serviceSpecShape(previous.spec, false),
    Endpoint: endpointShape(service, allocatedFor, hostNetworks),
    UpdateStatus: updateStatusShape(service) ?? resting,
    ServiceStatus: status,
    JobStatus: isJob(current.spec) ? jobStatusShape(service) : undefined,
  };
}

/**
 * Of a service that is scaled by load clients are shown how many tasks there are to be now: they wait for so many,
 * and send the number back with their next update.
 */
function shownSpec(service: Service, spec: ServiceSpec): ServiceSpec {
  const Replicas = scaledReplicas(service, spec);
  if (Replicas === undefined || Replicas === spec.Mode.Replicated?.Replicas) return spec;
  return { ...spec, Mode: { Replicated: { Replicas } } };
}

/** Clients read it of every job; one that waits for its first run has the time that Go calls zero. */
function jobStatusShape({ jobStatus }: Service) {
  if (jobStatus === undefined) return { JobIteration: {}, LastExecution: '0001-01-01T00:00:00Z' };
  return {
    JobIteration: { Index: unlessZero(jobStatus.iteration) },
    LastExecution: rfc3339Nano(jobStatus.lastExecution),
  };
}

/**
 * What a service that has nothing to do shows for an update: as it says `completed`, `docker service create` and
 * `update` do not wait for tasks that are not to come.
 */
function restingShape(view: StateView, service: Service, { spec }: Revision) {
  const done = (at: Instant, Message: string) => {
    return {
      State: 'completed',
      StartedAt: rfc3339Nano(at),
      CompletedAt: rfc3339Nano(at),
      Message,
    };
  };
  if (isStopped(spec.Labels))
    return done(service.meta.updatedAt, `stopped by label ${stoppedLabel}`);
  const parsed = parseSchedule(spec.Labels);
  if (parsed.kind !== 'schedule') return undefined;
  const run = jobRun(view, service);
  if (run !== undefined && !isRunOver(run)) return undefined;
  const since = service.jobStatus?.lastExecution ?? service.meta.createdAt;
  const next = nextTime(parsed.schedule, service.cron?.servedUntil ?? service.meta.updatedAt);
  const at = next === undefined ? '' : `, next run at ${new Date(next).toISOString()}`;
  return done(since, `waits for its schedule${at}`);
}

/** Empty until something is allocated: names that need neither ports nor addresses never get that far. */
function endpointShape(
  { endpoint }: Service,
  allocatedFor: Revision | undefined,
  hostNetworks: readonly string[],
) {
  const addresses = [
    ...endpoint.virtualIps,
    ...hostNetworks.map((networkId) => ({ networkId, addr: '' })),
  ];
  const isAllocated = endpoint.ports.length + addresses.length > 0;
  return {
    Spec: (isAllocated ? endpointSpecShape(allocatedFor?.spec.EndpointSpec) : undefined) ?? {},
    Ports: unlessNone(endpoint.ports.map(portShape)),
    VirtualIPs: unlessNone(
      addresses.map(({ networkId, addr }) => ({
        NetworkID: networkId,
        Addr: unlessEmpty(addr),
      })),
    ),
  };
}

/** Networks of the hosts themselves, which a service with virtual addresses shows without one. */
function hostNetworksOf(view: StateView, allocatedFor: Revision | undefined): readonly string[] {
  if (allocatedFor === undefined || allocatedFor.spec.EndpointSpec?.Mode === 'dnsrr') return [];
  const targets = (allocatedFor.spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target);
  return targets.filter((id) => view.networks.get(id)?.spec.Predefined === true);
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
  if (isJob(spec)) {
    const { running, desired, completed } = jobCounts(view, service, spec);
    return { RunningTasks: running, DesiredTasks: desired, CompletedTasks: completed };
  }
  let running = 0;
  let wanted = 0;
  for (const task of view.tasks.byService(service.id)) {
    if (isSeenRunning(view, task)) running += 1;
    if (task.desired === 'running') wanted += 1;
  }
  return {
    RunningTasks: running,
    DesiredTasks: replicasOf(service, spec) ?? wanted,
    CompletedTasks: 0,
  };
}

export type ServiceModeName = 'replicated' | 'global' | 'replicated-job' | 'global-job';

export function modeName(spec: ServiceSpec): ServiceModeName {
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
      hasStoredLabels(filters, 'label', spec.Labels)
    );
  };
}
