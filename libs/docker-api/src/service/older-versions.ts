import type { ServiceSpecRequest } from '../requests/service-spec.ts';
import { type ApiVersion, isOlder } from '../version.ts';

const before = (minor: number, version: ApiVersion): boolean =>
  isOlder(version, { major: 1, minor });

type Template = ServiceSpecRequest['TaskTemplate'];
type Container = NonNullable<Template['ContainerSpec']>;

/** Drops what a client of `version` cannot know, as the engine does. */
export function withoutNewerFields(
  spec: ServiceSpecRequest,
  version: ApiVersion,
): ServiceSpecRequest {
  if (!before(46, version)) return spec;
  return {
    ...spec,
    Mode: before(41, version)
      ? { ...spec.Mode, ReplicatedJob: undefined, GlobalJob: undefined }
      : spec.Mode,
    TaskTemplate: olderTemplate(spec.TaskTemplate, version),
  };
}

function olderTemplate(template: Template, version: ApiVersion): Template {
  const { ContainerSpec, Placement, Resources } = template;
  const limits = Resources?.Limits;
  return {
    ...template,
    ContainerSpec: ContainerSpec === undefined ? undefined : olderContainer(ContainerSpec, version),
    Placement:
      Placement !== undefined && before(40, version)
        ? { ...Placement, MaxReplicas: undefined }
        : Placement,
    Resources:
      limits !== undefined && before(41, version)
        ? {
            ...Resources,
            Reservations: Resources?.Reservations,
            Limits: { ...limits, Pids: undefined },
          }
        : Resources,
  };
}

function olderContainer(container: Container, version: ApiVersion): Container {
  const { Privileges, Healthcheck } = container;
  const result: { -readonly [K in keyof Container]: Container[K] } = {
    ...container,
    OomScoreAdj: undefined,
    Mounts: container.Mounts?.map((mount) =>
      mount.TmpfsOptions === undefined
        ? mount
        : { ...mount, TmpfsOptions: { ...mount.TmpfsOptions, Options: undefined } },
    ),
  };
  if (before(44, version)) {
    if (Privileges !== undefined)
      result.Privileges = {
        ...Privileges,
        Seccomp: undefined,
        AppArmor: undefined,
        NoNewPrivileges: undefined,
      };
    if (Healthcheck !== undefined)
      result.Healthcheck = { ...Healthcheck, StartInterval: undefined };
  }
  if (before(41, version)) {
    result.CapabilityAdd = undefined;
    result.CapabilityDrop = undefined;
    result.Ulimits = undefined;
  }
  if (before(40, version)) {
    result.Sysctls = undefined;
    result.Configs = container.Configs?.map((config) => ({ ...config, Runtime: undefined }));
    if (result.Privileges?.CredentialSpec !== undefined)
      result.Privileges = {
        ...result.Privileges,
        CredentialSpec: { ...result.Privileges.CredentialSpec, Config: '' },
      };
  }
  return result;
}
