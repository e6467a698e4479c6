import type { ServiceSpec, TaskTemplate, UpdateConfig } from '@shoal/state';

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
    EndpointSpec: spec.EndpointSpec,
  };
}

/** The template alone, as tasks show it. */
export function taskTemplateShape(template: TaskTemplate) {
  const { ContainerSpec } = template;
  return {
    ContainerSpec: { ...ContainerSpec, Isolation: ContainerSpec.Isolation ?? 'default' },
    Resources: template.Resources,
    RestartPolicy: template.RestartPolicy,
    Placement: template.Placement,
    Networks: template.Networks,
    LogDriver: template.LogDriver,
    ForceUpdate: template.ForceUpdate,
  };
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
