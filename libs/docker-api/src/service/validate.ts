import {
  type ContainerSpec,
  type EndpointSpec,
  type GenericResource,
  type Healthcheck,
  type PortConfig,
  parseConstraints,
  type Resources,
  type ServiceSpec,
  type UpdateConfig,
} from '@shoal/state';
import type { DocumentKind } from '../documents/request.ts';
import { apiErrors, invalidArgument, rpcError } from '../errors.ts';
import { isImageReference } from './image.ts';
import type { NormalisedSpec } from './normalise.ts';
import { findDocuments, validateReferences } from './references.ts';
import { checkTemplates } from './template.ts';

const nanoCpusMin = 1_000_000;
const memoryBytesMin = 4 * 1024 * 1024;
const nanosPerMilli = 1_000_000;
const portMax = 65_535;
const nameCharsMax = 63;
/** One way to match each name: nested repetitions would take time that doubles with each letter. */
const nameForm = /^[a-zA-Z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/;

/** What a spec is checked against besides itself. */
export interface Surroundings {
  /** The name of the secret or config with that id; undefined when there is none. */
  readonly documentName: (kind: DocumentKind, id: string) => string | undefined;
  /** The ingress network, when there is one. */
  readonly ingress: { readonly id: string; readonly name: string } | undefined;
  /** Ports of the other services that the spec must leave to them. */
  readonly published: Iterable<{
    readonly serviceId: string;
    readonly name: string;
    readonly ports: readonly PortConfig[];
  }>;
}

/**
 * Checks what Swarm's control API checks, in its order.
 * @throws ApiError in Docker's words.
 */
export function validateServiceSpec({ spec }: NormalisedSpec, surroundings: Surroundings): void {
  const { TaskTemplate: template } = spec;
  validateName(spec.Name);
  validateResources(template.Resources?.Limits);
  validateResources(template.Resources?.Reservations);
  validateRestart(spec);
  const constraints = parseConstraints(template.Placement?.Constraints ?? []);
  if (constraints.kind === 'invalid') throw rpcError('Unknown', constraints.message);
  validateReferences(template.ContainerSpec);
  checkTemplates(spec);
  validateContainer(template.ContainerSpec);
  validateMode(spec);
  validateUpdate(spec.UpdateConfig, 'update');
  validateUpdate(spec.RollbackConfig, 'rollback');
  validateEndpoint(spec.EndpointSpec);
  const networks = template.Networks ?? [];
  const { ingress } = surroundings;
  if (ingress !== undefined && networks.some(({ Target }) => Target === ingress.id))
    throw invalidArgument(
      `Service cannot be explicitly attached to the ingress network ${JSON.stringify(ingress.name)}`,
    );
  validatePorts(spec, surroundings);
  findDocuments(template.ContainerSpec, surroundings);
}

/** Of services and networks. @throws ApiError 400 */
export function validateName(name: string): void {
  if (name === '') throw invalidArgument('meta: name must be provided');
  if (!nameForm.test(name)) throw invalidArgument('name must be valid as a DNS name component');
  if (name.length > nameCharsMax) throw invalidArgument('name must be 63 characters or fewer');
}

function validateResources(resources: Resources | undefined): void {
  const cpus = resources?.NanoCPUs ?? 0;
  if (cpus !== 0 && cpus < nanoCpusMin)
    throw invalidArgument(
      `invalid cpu value ${goFloat(cpus / 1e9)}: Must be at least ${nanoCpusMin / 1e9}`,
    );
  const memory = resources?.MemoryBytes ?? 0;
  if (memory !== 0 && memory < memoryBytesMin)
    throw invalidArgument(`invalid memory value ${memory}: Must be at least 4MiB`);
  for (const resource of resources?.GenericResources ?? []) validateGeneric(resource);
}

/** As Go prints it: an exponent from five digits behind the point on, in two digits. */
function goFloat(value: number): string {
  if (value === 0 || Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, 'e-0$1');
}

function validateGeneric({ NamedResourceSpec, DiscreteResourceSpec }: GenericResource): void {
  const resource = NamedResourceSpec ?? DiscreteResourceSpec;
  if (resource === undefined || (NamedResourceSpec && DiscreteResourceSpec) !== undefined)
    throw invalidArgument(
      'GenericResources: either NamedResourceSpec or DiscreteResourceSpec must be provided',
    );
  const { Kind, Value } = resource;
  if (Kind === '') throw invalidArgument('GenericResources: Kind must be provided');
  if (typeof Value === 'number' && Value < 0)
    throw invalidArgument(`GenericResources: ${Kind} cannot be negative: ${Value}`);
}

function validateRestart({ TaskTemplate }: ServiceSpec): void {
  const policy = TaskTemplate.RestartPolicy;
  if ((policy?.Delay ?? 0) < 0) throw invalidArgument('TaskSpec: restart-delay cannot be negative');
  if ((policy?.Window ?? 0) < 0)
    throw invalidArgument('TaskSpec: restart-window cannot be negative');
}

function validateContainer(container: ContainerSpec): void {
  if (container.Image === '')
    throw invalidArgument('ContainerSpec: image reference must be provided');
  if (!isImageReference(container.Image))
    throw invalidArgument(
      `ContainerSpec: ${JSON.stringify(container.Image)} is not a valid repository/tag`,
    );
  const targets = new Set<string>();
  for (const { Target, Type } of container.Mounts ?? []) {
    if (targets.has(Target))
      throw invalidArgument(`ContainerSpec: duplicate mount point: ${Target}`);
    if (Type === 'cluster') throw apiErrors.clusterMount(Target);
    targets.add(Target);
  }
  validateHealth(container.Healthcheck);
}

function validateHealth(health: Healthcheck | undefined): void {
  if (health === undefined) return;
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const nanos = health[name] ?? 0;
    if (nanos !== 0 && nanos < nanosPerMilli)
      throw invalidArgument(`ContainerSpec: ${name} in HealthConfig cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0)
    throw invalidArgument('ContainerSpec: Retries in HealthConfig cannot be negative');
}

function validateMode(spec: ServiceSpec): void {
  const isJob = spec.Mode.ReplicatedJob !== undefined || spec.Mode.GlobalJob !== undefined;
  if (isJob && spec.UpdateConfig !== undefined)
    throw invalidArgument('Jobs may not have an update config');
}

function validateUpdate(update: UpdateConfig | undefined, of: 'update' | 'rollback'): void {
  if (update === undefined) return;
  if ((update.Delay ?? 0) < 0) throw invalidArgument(`TaskSpec: ${of}-delay cannot be negative`);
  if ((update.Monitor ?? 0) < 0)
    throw invalidArgument(`TaskSpec: ${of}-monitor cannot be negative`);
  const ratio = update.MaxFailureRatio ?? 0;
  if (ratio < 0 || ratio > 1)
    throw invalidArgument(`TaskSpec: ${of}-maxfailureratio cannot be less than 0 or bigger than 1`);
}

function validateEndpoint(endpoint: EndpointSpec | undefined): void {
  const seen = new Set<string>();
  for (const { PublishMode, PublishedPort, TargetPort, Protocol } of endpoint?.Ports ?? []) {
    for (const port of [TargetPort, PublishedPort ?? 0])
      if (port > portMax)
        throw invalidArgument(`EndpointSpec: port ${port} is above ${portMax}, the last there is`);
    if (PublishMode === 'ingress' && endpoint?.Mode === 'dnsrr')
      throw invalidArgument(
        "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
      );
    if (PublishedPort === undefined) continue;
    const key = `${Protocol}/${PublishedPort}`;
    if (seen.has(key)) throw invalidArgument('EndpointSpec: duplicate published ports provided');
    seen.add(key);
  }
}

/** Ports on the nodes themselves may coexist; an ingress port excludes every other use. */
function validatePorts(spec: ServiceSpec, { published, ingress }: Surroundings): void {
  const ports = spec.EndpointSpec?.Ports ?? [];
  for (const port of ports) {
    if (port.PublishedPort === undefined) continue;
    for (const { serviceId, name, ports: taken } of published) {
      const rival = taken.find(
        (other) =>
          other.PublishedPort === port.PublishedPort &&
          other.Protocol === port.Protocol &&
          (other.PublishMode === 'ingress' || port.PublishMode === 'ingress'),
      );
      if (rival === undefined) continue;
      const how = rival.PublishMode === 'ingress' ? 'an ingress port' : 'a host-published port';
      throw invalidArgument(
        `port '${port.PublishedPort}' is already in use by service '${name}' (${serviceId}) as ${how}`,
      );
    }
  }
  const needsIngress = ports.some(({ PublishMode }) => PublishMode === 'ingress');
  if (needsIngress && ingress === undefined) throw apiErrors.noIngress();
}
