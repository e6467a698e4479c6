import type { ContainerSpec, FileTarget, Mount } from '@shoal/state';
import { ApiError } from '../errors.ts';
import type { ContainerSpecRequest, MountRequest } from '../requests/service-spec.ts';

const mountTypes = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image'] as const;
const propagations = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'];

/** The container part of a task template. */
export function normaliseContainer(request: ContainerSpecRequest): ContainerSpec {
  const { Secrets, Configs, Privileges, Isolation, ...rest } = request;
  const privileges = normalisePrivileges(Privileges);
  for (const config of Configs ?? []) {
    if (config.File === undefined && config.Runtime === undefined)
      throw new ApiError(400, 'invalid Config: either File or Runtime should be set');
    if (config.File !== undefined && config.Runtime !== undefined)
      throw new ApiError(400, 'invalid Config: cannot specify both File and Runtime');
  }
  return {
    ...rest,
    Image: request.Image ?? '',
    Privileges: privileges,
    Mounts: request.Mounts?.map(normaliseMount),
    // Reads say `default` where nothing was asked for; what comes back from a read is the same spec.
    Isolation: Isolation?.toLowerCase() === 'default' ? undefined : Isolation?.toLowerCase(),
    Secrets: Secrets?.map(({ SecretID = '', SecretName = '', File }) => ({
      SecretID,
      SecretName,
      ...(File !== undefined && { File: fileTarget(File) }),
    })),
    Configs: Configs?.map(({ ConfigID = '', ConfigName = '', File, Runtime }) => ({
      ConfigID,
      ConfigName,
      ...(File !== undefined && { File: fileTarget(File) }),
      ...(Runtime !== undefined && { Runtime: {} }),
    })),
  };
}

type FileRequest = NonNullable<NonNullable<ContainerSpecRequest['Secrets']>[number]['File']>;

function fileTarget({ Name = '', UID = '', GID = '', Mode = 0 }: FileRequest): FileTarget {
  return { Name, UID, GID, Mode };
}

function normalisePrivileges(
  request: ContainerSpecRequest['Privileges'],
): ContainerSpec['Privileges'] {
  if (request === undefined) return undefined;
  const { CredentialSpec, SELinuxContext, NoNewPrivileges, ...rest } = request;
  if (CredentialSpec !== undefined) {
    const sources = [CredentialSpec.Config, CredentialSpec.File, CredentialSpec.Registry];
    const given = sources.filter((source) => source !== undefined).length;
    if (given === 0)
      throw new ApiError(
        400,
        'invalid CredentialSpec: must either provide "file", "registry", or "config" for credential spec',
      );
    if (given > 1)
      throw new ApiError(
        400,
        'invalid CredentialSpec: cannot specify both "file", "registry", and "config" credential specs',
      );
  }
  return {
    CredentialSpec: CredentialSpec ?? null,
    SELinuxContext: SELinuxContext ?? null,
    NoNewPrivileges: NoNewPrivileges ?? false,
    ...rest,
  };
}

function normaliseMount(request: MountRequest): Mount {
  const given = request.Type?.toLowerCase() ?? '';
  const type = mountTypes.find((known) => known === given);
  if (type === undefined)
    throw new ApiError(400, `invalid MountType: ${JSON.stringify(request.Type ?? '')}`);
  return {
    ...request,
    Type: type,
    Target: request.Target ?? '',
    BindOptions: bindOptions(request),
  };
}

function bindOptions({ BindOptions }: MountRequest): Mount['BindOptions'] {
  if (BindOptions === undefined) return undefined;
  const propagation = BindOptions.Propagation?.toLowerCase() ?? 'rprivate';
  if (!propagations.includes(propagation))
    throw new ApiError(400, `invalid MountPropagation: ${JSON.stringify(BindOptions.Propagation)}`);
  return { ...BindOptions, Propagation: propagation };
}
