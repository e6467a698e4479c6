import type { ContainerSpec, FileTarget, Mount } from '@shoal/state';
import { ApiError } from '../errors.ts';
import type { ContainerSpecRequest, MountRequest } from '../requests/service-spec.ts';

const mountTypes = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image'] as const;
/** What else is asked for is taken as the default, as by Docker. */
const isolations = ['process', 'hyperv'];
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
    Isolation: isolations.find((known) => known === Isolation?.toLowerCase()),
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
  if (CredentialSpec !== undefined) checkCredentials(CredentialSpec);
  return {
    CredentialSpec: CredentialSpec ?? null,
    SELinuxContext: SELinuxContext ?? null,
    NoNewPrivileges: NoNewPrivileges ?? false,
    ...rest,
  };
}

type CredentialSpec = NonNullable<
  NonNullable<ContainerSpecRequest['Privileges']>['CredentialSpec']
>;

/** One source, and only one. @throws ApiError 400 */
function checkCredentials(spec: CredentialSpec): void {
  const given = (['Config', 'File', 'Registry'] as const)
    .filter((source) => spec[source] !== '')
    .map((source) => `"${source.toLowerCase()}"`);
  if (given.length === 1) return;
  const last = given.pop();
  const several = `${given.join(', ')}${given.length > 1 ? ',' : ''} and ${last}`;
  throw new ApiError(
    400,
    last === undefined
      ? 'invalid CredentialSpec: must either provide "file", "registry", or "config" for credential spec'
      : `invalid CredentialSpec: cannot specify both ${several} credential specs`,
  );
}

/** One that says no type is a bind mount, the first of Swarm's list. */
function normaliseMount(request: MountRequest): Mount {
  const given = request.Type?.toLowerCase() ?? 'bind';
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
  const isEmpty = Object.values(BindOptions ?? {}).every((value) => value === undefined);
  if (BindOptions === undefined || isEmpty) return undefined;
  const propagation = BindOptions.Propagation?.toLowerCase() ?? 'rprivate';
  if (!propagations.includes(propagation))
    throw new ApiError(400, `invalid MountPropagation: ${JSON.stringify(BindOptions.Propagation)}`);
  return { ...BindOptions, Propagation: propagation };
}
