import { searchDomain } from '@shoal/overlay';
import {
  type ContainerOptions,
  type ContainerSpec,
  containerOptions,
  familyOf,
  type Mount,
  type NodeDescription,
  type PortConfig,
  type Resources,
  type TaskAssignment,
  type TemplateSubject,
  taskName,
} from '@shoal/state';
import {
  type ContainerNetwork,
  type ContainerNetworkPlan,
  noNetworks,
} from './container-networks.ts';
import { expandTemplate, templateSubject } from './template.ts';

/** Marks containers as tasks, and whose. */
export const swarmLabels = {
  nodeId: 'com.docker.swarm.node.id',
  serviceId: 'com.docker.swarm.service.id',
  serviceName: 'com.docker.swarm.service.name',
  task: 'com.docker.swarm.task',
  taskId: 'com.docker.swarm.task.id',
  taskName: 'com.docker.swarm.task.name',
} as const;

const nanosPerSecond = 1_000_000_000;
/** Docker's default, seconds. */
const stopGraceSecondsDefault = 10;

export function graceSeconds(spec: ContainerSpec): number {
  return spec.StopGracePeriod === undefined
    ? stopGraceSecondsDefault
    : Math.ceil(spec.StopGracePeriod / nanosPerSecond);
}

export function containerName(task: TaskAssignment): string {
  const { taskId: id, slot, nodeId } = task;
  return taskName({ id, slot, nodeId }, task.serviceName);
}

/**
 * The engine's body of `POST /containers/create` for a task.
 * @param plan its overlay networks; those that `atOnce` leaves out are joined one by one afterwards.
 * @throws TemplateError when a template cannot be expanded.
 */
export function containerConfig(
  task: TaskAssignment,
  node: NodeDescription,
  plan: ContainerNetworkPlan = noNetworks,
  atOnce = 1,
): object {
  const { template } = task;
  const spec = template.ContainerSpec;
  const context = templateSubject(task, node);
  const hasCommand = (spec.Command?.length ?? 0) > 0;
  return withoutAbsent({
    Image: spec.Image,
    Labels: labels(task, spec),
    Entrypoint: hasCommand ? spec.Command : undefined,
    Cmd: hasCommand ? (spec.Args ?? []) : nonEmpty(spec.Args),
    Hostname: spec.Hostname === undefined ? undefined : expandTemplate(spec.Hostname, context),
    Env: environment(task, context),
    WorkingDir: spec.Dir,
    User: spec.User,
    StopSignal: spec.StopSignal,
    StopTimeout: graceSeconds(spec),
    Tty: spec.TTY ?? false,
    OpenStdin: spec.OpenStdin ?? false,
    Healthcheck: spec.Healthcheck,
    ExposedPorts: portKeys(task.hostPorts, {}),
    HostConfig: hostConfig(task, context, plan),
    NetworkingConfig: networkingConfig(plan.networks.slice(0, atOnce)),
  });
}

function labels(task: TaskAssignment, spec: ContainerSpec): Record<string, string> {
  return {
    ...spec.Labels,
    [swarmLabels.nodeId]: task.nodeId,
    [swarmLabels.serviceId]: task.serviceId,
    [swarmLabels.serviceName]: task.serviceName,
    [swarmLabels.task]: '',
    [swarmLabels.taskId]: task.taskId,
    [swarmLabels.taskName]: containerName(task),
  };
}

/**
 * The variables of a task's container, as `NAME=value`.
 * @throws TemplateError when a template cannot be expanded.
 */
export function environment(task: TaskAssignment, context: TemplateSubject): string[] {
  const { Env = [] } = task.template.ContainerSpec;
  const env = Env.map((entry) => {
    const at = entry.indexOf('=');
    return at < 0 ? entry : entry.slice(0, at + 1) + expandTemplate(entry.slice(at + 1), context);
  });
  return [...env, ...resourceEnvironment(task)];
}

/** `DOCKER_RESOURCE_GPU=UUID1,UUID2`, or the number of a discrete kind, as Docker hands them over. */
function resourceEnvironment({ genericResources, template }: TaskAssignment): string[] {
  const given = genericResources ?? template.Resources?.Reservations?.GenericResources ?? [];
  const values = new Map<string, (string | number)[]>();
  for (const { DiscreteResourceSpec: discrete, NamedResourceSpec: named } of given) {
    const resource = discrete ?? named;
    if (resource === undefined) continue;
    values.set(resource.Kind, [...(values.get(resource.Kind) ?? []), resource.Value]);
  }
  return [...values].map(([kind, all]) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${all.join(',')}`);
}

/** No aliases: the engine would answer them with this container alone, and only on this host. */
function networkingConfig(networks: readonly ContainerNetwork[]): object | undefined {
  if (networks.length === 0) return undefined;
  return {
    EndpointsConfig: Object.fromEntries(networks.map((each) => [each.name, endpoint(each)])),
  };
}

/** How a container is in one of the engine's networks. */
export function endpoint({ addresses, driverOptions }: ContainerNetwork): object {
  return {
    IPAMConfig: withoutAbsent({
      IPv4Address: addresses.find((address) => familyOf(address) === 4),
      IPv6Address: addresses.find((address) => familyOf(address) === 6),
    }),
    DriverOpts: driverOptions,
  };
}

function hostConfig(
  task: TaskAssignment,
  context: TemplateSubject,
  plan: ContainerNetworkPlan,
): object {
  const { networks, nameservers } = plan;
  const { template } = task;
  const spec = template.ContainerSpec;
  const log = template.LogDriver;
  const extra = containerOptions(spec.Labels ?? {});
  return withoutAbsent({
    NetworkMode: networks[0]?.name ?? task.localNetworks[0] ?? 'default',
    PortBindings: portBindings(task.hostPorts),
    RestartPolicy: { Name: 'no' },
    Mounts: nonEmpty(spec.Mounts?.map((mount) => expandMount(mount, context))),
    GroupAdd: nonEmpty(spec.Groups),
    Init: spec.Init,
    ReadonlyRootfs: spec.ReadOnly ?? false,
    Isolation: spec.Isolation === 'default' ? undefined : spec.Isolation,
    ExtraHosts: nonEmpty(extraHosts(spec.Hosts ?? [])),
    Dns: nonEmpty(networks.length > 0 ? nameservers : spec.DNSConfig?.Nameservers),
    DnsSearch: nonEmpty(searchDomains(spec, plan)),
    DnsOptions: nonEmpty(spec.DNSConfig?.Options),
    Sysctls: spec.Sysctls,
    CapAdd: nonEmpty(spec.CapabilityAdd),
    CapDrop: nonEmpty(spec.CapabilityDrop),
    SecurityOpt: nonEmpty([...securityOptions(spec.Privileges ?? {}), ...kernelOptions(extra)]),
    Ulimits: nonEmpty(spec.Ulimits),
    OomScoreAdj: spec.OomScoreAdj,
    LogConfig: log === undefined ? undefined : { Type: log.Name, Config: log.Options ?? {} },
    ...limits(template.Resources?.Limits),
    ...runOptions(extra),
  });
}

/** In the form of the engine's API, which has no word for this one: its client takes the lists of paths away. */
const systemPathsUnconfined = 'systempaths=unconfined';

function kernelOptions({ securityOptions: options = [] }: ContainerOptions): readonly string[] {
  return options.filter((option) => option !== systemPathsUnconfined);
}

/** What services have no fields for: labels say it, with the meaning of the flags of `docker run`. */
function runOptions(options: ContainerOptions): object {
  const { devices, gpus, securityOptions: security } = options;
  return {
    Privileged: options.privileged,
    Devices: devices?.map(({ onHost, inContainer, permissions }) => ({
      PathOnHost: onHost,
      PathInContainer: inContainer,
      CgroupPermissions: permissions,
    })),
    DeviceCgroupRules: options.deviceRules,
    DeviceRequests: gpus === undefined ? undefined : [gpuRequest(gpus)],
    ShmSize: options.shmBytes,
    IpcMode: options.ipc,
    PidMode: options.pid,
    UTSMode: options.uts,
    UsernsMode: options.userNamespace,
    CgroupnsMode: options.cgroupNamespace,
    CgroupParent: options.cgroupParent,
    Runtime: options.runtime,
    ...(security?.includes(systemPathsUnconfined) ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };
}

function gpuRequest(gpus: NonNullable<ContainerOptions['gpus']>): object {
  const which = gpus.kind === 'count' ? { Count: gpus.count } : { DeviceIDs: gpus.ids };
  return { ...which, Capabilities: [['gpu']] };
}

/**
 * With `ndots`, also with that of the host's file, the engine passes single words on only with a domain behind
 * them. A list of ours takes the place of the host's, and so begins with it.
 */
function searchDomains(
  { DNSConfig: { Search = [], Options = [] } = {} }: ContainerSpec,
  { networks, hostDefaults }: ContainerNetworkPlan,
): readonly string[] {
  const options = Options.length > 0 ? Options : hostDefaults.options;
  const needsDomain = networks.length > 0 && options.some((each) => each.startsWith('ndots:'));
  if (!needsDomain) return Search;
  return [...(Search.length > 0 ? Search : hostDefaults.search), searchDomain];
}

/** Reservations are for the scheduler alone, as in Swarm: one above the limit is no fault of the container. */
function limits(wanted: Resources | undefined): object {
  return {
    Memory: positive(wanted?.MemoryBytes),
    NanoCpus: positive(wanted?.NanoCPUs),
    PidsLimit: positive(wanted?.Pids),
  };
}

function expandMount(mount: Mount, context: TemplateSubject): object {
  const expandAll = (values: unknown): unknown =>
    typeof values !== 'object' || values === null
      ? values
      : Object.fromEntries(
          Object.entries(values).map(([key, value]) => [
            key,
            typeof value === 'string' ? expandTemplate(value, context) : value,
          ]),
        );
  const volume = mount.VolumeOptions;
  const driver = volume?.['DriverConfig'] as { readonly Options?: unknown } | undefined;
  return withoutAbsent({
    ...mount,
    Source: mount.Source === undefined ? undefined : expandTemplate(mount.Source, context),
    Target: expandTemplate(mount.Target, context),
    VolumeOptions:
      volume === undefined
        ? undefined
        : withoutAbsent({
            ...volume,
            Labels: expandAll(volume['Labels']),
            DriverConfig:
              driver === undefined
                ? undefined
                : withoutAbsent({ ...driver, Options: expandAll(driver.Options) }),
          }),
  });
}

/** From lines of a hosts file (`ip name…`) to the engine's `name:ip`. */
function extraHosts(hosts: readonly string[]): string[] {
  return hosts.flatMap((line) => {
    const [ip, ...names] = line.split(/\s+/).filter(Boolean);
    return names.map((name) => `${name}:${ip}`);
  });
}

/** Docker's words for what a service may ask of the kernel's security modules. */
function securityOptions(privileges: Readonly<Record<string, unknown>>): string[] {
  const options: string[] = [];
  const credentials = privileges['CredentialSpec'] as Record<string, unknown> | null | undefined;
  for (const source of ['Config', 'File', 'Registry']) {
    const value = credentials?.[source];
    if (typeof value === 'string' && value !== '')
      // An engine on Linux refuses it, and so says why the task cannot run.
      options.push(`credentialspec=${source.toLowerCase()}://${value}`);
  }
  const selinux = privileges['SELinuxContext'] as Record<string, unknown> | null | undefined;
  if (selinux?.['Disable'] === true) options.push('label=disable');
  for (const part of ['User', 'Role', 'Type', 'Level']) {
    const value = selinux?.[part];
    if (typeof value === 'string' && value !== '') {
      options.push(`label=${part.toLowerCase()}:${value}`);
    }
  }
  const seccomp = privileges['Seccomp'] as Record<string, unknown> | null | undefined;
  if (seccomp?.['Mode'] === 'unconfined') options.push('seccomp=unconfined');
  if (seccomp?.['Mode'] === 'custom' && typeof seccomp['Profile'] === 'string') {
    options.push(`seccomp=${Buffer.from(seccomp['Profile'], 'base64').toString('utf8')}`);
  }
  const apparmor = privileges['AppArmor'] as Record<string, unknown> | null | undefined;
  if (apparmor?.['Mode'] === 'disabled') options.push('apparmor=unconfined');
  if (privileges['NoNewPrivileges'] === true) options.push('no-new-privileges=true');
  return options;
}

function portKeys<T>(ports: readonly PortConfig[], value: T): Record<string, T> | undefined {
  if (ports.length === 0) return undefined;
  return Object.fromEntries(ports.map((port) => [`${port.TargetPort}/${port.Protocol}`, value]));
}

function portBindings(ports: readonly PortConfig[]): object | undefined {
  if (ports.length === 0) return undefined;
  const bindings: Record<string, { HostPort: string }[]> = {};
  for (const { TargetPort, Protocol, PublishedPort } of ports) {
    const key = `${TargetPort}/${Protocol}`;
    const list = bindings[key] ?? [];
    list.push({ HostPort: PublishedPort ? String(PublishedPort) : '' });
    bindings[key] = list;
  }
  return bindings;
}

function positive(amount: number | undefined): number | undefined {
  return amount === undefined || amount <= 0 ? undefined : amount;
}

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

function withoutAbsent(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
