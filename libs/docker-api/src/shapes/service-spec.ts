import type {
  ContainerSpec,
  EndpointSpec,
  GenericResource,
  PortConfig,
  ResourceRequirements,
  ServiceSpec,
  TaskTemplate,
  UpdateConfig,
} from '@shoal/state';
import { unlessEmpty, unlessZero } from './meta.ts';

const secondNanos = 1_000_000_000;

/** A stored spec as clients see it. */
export function serviceSpecShape(spec: ServiceSpec, insertDefaults: boolean) {
  const { TaskTemplate: template } = spec;
  const shown = insertDefaults ? withDefaults(template) : template;
  return {
    Name: spec.Name,
    Labels: spec.Labels,
    TaskTemplate: { ...taskTemplateShape(shown), Runtime: 'container' },
    Mode: spec.Mode,
    UpdateConfig: updateShape(spec.UpdateConfig, insertDefaults),
    RollbackConfig: updateShape(spec.RollbackConfig, insertDefaults),
    EndpointSpec: endpointSpecShape(spec.EndpointSpec),
  };
}

/** The template alone, as tasks show it. */
export function taskTemplateShape(template: TaskTemplate) {
  const { LogDriver } = template;
  return {
    ContainerSpec: containerShape(template.ContainerSpec),
    Resources: resourcesShape(template.Resources),
    RestartPolicy: template.RestartPolicy,
    Placement: template.Placement,
    Networks: template.Networks,
    LogDriver: LogDriver && { ...LogDriver, Name: unlessEmpty(LogDriver.Name) },
    ForceUpdate: template.ForceUpdate,
  };
}

function containerShape(spec: ContainerSpec) {
  const Mounts = spec.Mounts?.map((mount) => ({ ...mount, Target: unlessEmpty(mount.Target) }));
  return { ...spec, Mounts, Isolation: spec.Isolation ?? 'default' };
}

function resourcesShape(resources: ResourceRequirements | undefined) {
  const generic = resources?.Reservations?.GenericResources;
  if (generic === undefined) return resources;
  const Reservations = { ...resources?.Reservations, GenericResources: generic.map(genericShape) };
  return { ...resources, Reservations };
}

function genericShape({
  NamedResourceSpec: named,
  DiscreteResourceSpec: discrete,
}: GenericResource) {
  return {
    NamedResourceSpec: named && { ...named, Value: unlessEmpty(named.Value) },
    DiscreteResourceSpec: discrete && { ...discrete, Value: unlessZero(discrete.Value) },
  };
}

export function endpointSpecShape(spec: EndpointSpec | undefined) {
  return spec && { ...spec, Ports: spec.Ports?.map(portShape) };
}

export function portShape(port: PortConfig) {
  return { ...port, TargetPort: unlessZero(port.TargetPort) };
}

function withDefaults(template: TaskTemplate): TaskTemplate {
  const { ContainerSpec, RestartPolicy } = template;
  return {
    ...template,
    ContainerSpec: {
      ...ContainerSpec,
      StopGracePeriod: ContainerSpec.StopGracePeriod ?? 10 * secondNanos,
      DNSConfig: ContainerSpec.DNSConfig ?? {},
    },
    Resources: template.Resources ?? {},
    RestartPolicy: {
      ...RestartPolicy,
      Condition: RestartPolicy?.Condition ?? 'any',
      Delay: RestartPolicy?.Delay ?? 5 * secondNanos,
      MaxAttempts: RestartPolicy?.MaxAttempts ?? 0,
    },
    Placement: template.Placement ?? {},
  };
}

const updateDefaults = {
  Parallelism: 1,
  FailureAction: 'pause',
  MaxFailureRatio: 0,
  Order: 'stop-first',
} as const;

function updateShape(
  update: UpdateConfig | undefined,
  insertDefaults: boolean,
): UpdateConfig | undefined {
  if (!insertDefaults) return update;
  return { ...(update ?? updateDefaults), Monitor: update?.Monitor ?? 5 * secondNanos };
}
