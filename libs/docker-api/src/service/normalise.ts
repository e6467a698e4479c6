import type {
  EndpointSpec,
  PortConfig,
  RestartPolicy,
  ServiceMode,
  ServiceSpec,
  TaskTemplate,
  UpdateConfig,
} from '@shoal/state';
import { ApiError } from '../errors.ts';
import type { ServiceSpecRequest, UpdateConfigRequest } from '../requests/service-spec.ts';
import { normaliseContainer } from './container.ts';

/** A spec in the form that is stored. */
export interface NormalisedSpec {
  readonly spec: ServiceSpec;
}

/**
 * Checks what Docker's daemon checks before the cluster store sees a spec, in its order, and fills
 * in what it fills in. Parts that were left out stay out: reads and the orchestrator know the defaults.
 * @throws ApiError in Docker's words.
 */
export function normaliseServiceSpec(request: ServiceSpecRequest): NormalisedSpec {
  const { TaskTemplate: template } = request;
  const container = containerOf(template);
  const ContainerSpec = normaliseContainer(container);
  const RestartPolicy = normaliseRestart(template.RestartPolicy);
  const networks = template.Networks ?? request.Networks;
  const UpdateConfig = normaliseUpdate(request.UpdateConfig);
  const RollbackConfig = normaliseUpdate(request.RollbackConfig);
  const EndpointSpec = normaliseEndpoint(request.EndpointSpec);
  const Mode = normaliseMode(request.Mode);
  const TaskTemplate: TaskTemplate = {
    ContainerSpec,
    Resources: template.Resources,
    RestartPolicy,
    Placement: normalisePlacement(template.Placement),
    Networks: networks,
    LogDriver:
      template.LogDriver === undefined
        ? undefined
        : { Name: template.LogDriver.Name ?? '', Options: template.LogDriver.Options },
    ForceUpdate: template.ForceUpdate ?? 0,
  };
  const Labels = request.Labels ?? {};
  const Name = request.Name ?? '';
  return {
    spec: { Name, Labels, TaskTemplate, Mode, UpdateConfig, RollbackConfig, EndpointSpec },
  };
}

function containerOf(template: ServiceSpecRequest['TaskTemplate']) {
  switch (template.Runtime ?? 'container') {
    case 'container':
      if (template.ContainerSpec === undefined)
        throw new ApiError(400, 'mismatched Runtime and *Spec fields');
      return template.ContainerSpec;
    case 'plugin':
      if (template.PluginSpec === undefined)
        throw new ApiError(400, 'mismatched Runtime and *Spec fields');
      throw new ApiError(500, 'runtime type "plugin" only supported in experimental');
    default:
      throw new ApiError(400, 'unsupported runtime');
  }
}

function normaliseRestart(
  request: ServiceSpecRequest['TaskTemplate']['RestartPolicy'],
): RestartPolicy | undefined {
  if (request === undefined) return undefined;
  const condition = request.Condition ?? 'any';
  if (condition !== 'any' && condition !== 'none' && condition !== 'on-failure')
    throw new ApiError(400, `invalid RestartCondition: ${JSON.stringify(condition)}`);
  return {
    Condition: condition,
    Delay: request.Delay,
    MaxAttempts: request.MaxAttempts ?? 0,
    Window: request.Window,
  };
}

function normalisePlacement(
  request: ServiceSpecRequest['TaskTemplate']['Placement'],
): TaskTemplate['Placement'] {
  if (request === undefined) return undefined;
  const preferences = request.Preferences?.flatMap(({ Spread }) =>
    Spread === undefined ? [] : [{ Spread }],
  );
  return {
    Constraints: request.Constraints,
    Preferences: preferences?.length === 0 ? undefined : preferences,
    Platforms: request.Platforms?.map(({ Architecture, OS }) => ({ Architecture, OS })),
    MaxReplicas: request.MaxReplicas,
  };
}

function normaliseUpdate(request: UpdateConfigRequest | undefined): UpdateConfig | undefined {
  if (request === undefined) return undefined;
  const action = request.FailureAction ?? 'pause';
  if (action !== 'pause' && action !== 'continue' && action !== 'rollback')
    throw new ApiError(400, `unrecognized update failure action ${action}`);
  const order = request.Order ?? 'stop-first';
  if (order !== 'stop-first' && order !== 'start-first')
    throw new ApiError(400, `unrecognized update order ${order}`);
  return {
    Parallelism: request.Parallelism ?? 0,
    Delay: request.Delay,
    FailureAction: action,
    Monitor: request.Monitor,
    MaxFailureRatio: request.MaxFailureRatio ?? 0,
    Order: order,
  };
}

function normaliseEndpoint(request: ServiceSpecRequest['EndpointSpec']): EndpointSpec | undefined {
  if (request === undefined) return undefined;
  const mode = request.Mode ?? 'vip';
  if (mode !== 'vip' && mode !== 'dnsrr')
    throw new ApiError(400, `invalid resolution mode: ${JSON.stringify(request.Mode)}`);
  return { Mode: mode, Ports: request.Ports?.map(normalisePort) };
}

type PortRequest = NonNullable<NonNullable<ServiceSpecRequest['EndpointSpec']>['Ports']>[number];

/** Protocols and publish modes that nobody knows become tcp and ingress, silently. */
function normalisePort(request: PortRequest): PortConfig {
  const protocol = request.Protocol?.toLowerCase();
  return {
    Name: request.Name,
    Protocol: protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp',
    TargetPort: request.TargetPort ?? 0,
    PublishedPort: request.PublishedPort,
    PublishMode: request.PublishMode?.toLowerCase() === 'host' ? 'host' : 'ingress',
  };
}

function normaliseMode(request: ServiceSpecRequest['Mode']): ServiceMode {
  const { Replicated, Global, ReplicatedJob, GlobalJob } = request;
  const given = [Replicated, Global, ReplicatedJob, GlobalJob].filter(Boolean).length;
  if (given > 1) throw new ApiError(400, 'must specify only one service mode');
  if (Global !== undefined) return { Global: {} };
  if (GlobalJob !== undefined) return { GlobalJob: {} };
  if (ReplicatedJob !== undefined) {
    const MaxConcurrent = ReplicatedJob.MaxConcurrent ?? 1;
    const TotalCompletions = ReplicatedJob.TotalCompletions ?? MaxConcurrent;
    return { ReplicatedJob: { MaxConcurrent, TotalCompletions } };
  }
  return { Replicated: { Replicas: Replicated?.Replicas ?? 1 } };
}
