import type { IpamConfig, IpamSpec, Network, NetworkSpec, StateView } from '@shoal/state';
import { ApiError, apiErrors, invalidArgument, rpcError } from '../errors.ts';
import type { NetworkRequest } from '../requests/network.ts';
import { validateName } from '../service/validate.ts';
import { predefinedLabel } from '../shapes/network.ts';
import { checkIpam, subnetsOverlap } from './ipam.ts';
import { isPredefinedName, mtuOption, vniOption } from './names.ts';

/** Of the way between hosts: the least leaves 68 (RFC 791) within an encrypted tunnel over IPv6. */
const mtuBytes = { min: 218, max: 65_535 } as const;
/** Below it is for Windows, above it are more than 24 bits. */
const vnis = { min: 4_096, max: 16_777_215 } as const;

/**
 * The spec of a swarm network, checked in Docker's order: names of the swarm, addresses, names of the
 * host's own networks, then what the cluster store checks. @throws ApiError in Docker's words
 */
export function networkSpec(
  view: StateView,
  request: NetworkRequest,
  localNames: ReadonlySet<string>,
): NetworkSpec {
  const name = request.Name ?? '';
  const known = view.networks.byName(name);
  if (known !== undefined && !known.spec.Predefined) throw apiErrors.networkExists(name);
  if (isPredefinedName(name)) {
    if (localNames.has(name)) throw apiErrors.networkExists(name);
    throw new ApiError(403, `${name} is a pre-defined network and cannot be created`);
  }
  checkIpam(request);
  if (localNames.has(name)) throw apiErrors.networkExists(name);
  checkUnsupported(request);
  checkStored(request, name);
  const alike = view.networks.byNameAnyCase(name);
  if (alike !== undefined) throw apiErrors.networkExists(alike.spec.Name);
  const spec = specOf(request, name);
  checkNeighbours(view, spec);
  return spec;
}

/** What a swarm network of Docker's can be and one of ours cannot, or neither. */
function checkUnsupported(request: NetworkRequest): void {
  const { ConfigOnly, ConfigFrom, EnableIPv4, IPAM, Scope } = request;
  if (Scope === 'local')
    throw new ApiError(403, 'cannot downgrade network scope for overlay networks');
  if (ConfigOnly === true)
    throw new ApiError(400, 'a configuration-only network is of one host: it has no swarm scope');
  if (ConfigFrom?.Network !== undefined)
    throw new ApiError(400, 'a swarm network cannot take its configuration from another one');
  if (EnableIPv4 === false)
    throw new ApiError(400, 'IPv4 cannot be disabled in a Swarm scoped network');
  const driver = IPAM?.Driver;
  if (driver !== undefined && driver !== 'default')
    throw invalidArgument(
      `IPAM driver ${JSON.stringify(driver)} is not supported: addresses of swarm networks are given by the driver "default"`,
    );
}

function checkStored(request: NetworkRequest, name: string): void {
  const { Driver = 'overlay', Ingress, Attachable, Labels = {}, Options = {} } = request;
  if (Ingress === true && Driver !== 'overlay')
    throw rpcError(
      'Unimplemented',
      'only overlay driver is currently supported for ingress network',
    );
  if (Ingress === true && Attachable === true)
    throw invalidArgument('ingress network cannot be attachable');
  validateName(name);
  if (Object.hasOwn(Labels, predefinedLabel))
    throw rpcError(
      'PermissionDenied',
      `label ${predefinedLabel} is for internally created predefined networks and cannot be applied by users`,
    );
  if (Driver !== 'overlay')
    throw rpcError(
      'Unimplemented',
      `driver ${JSON.stringify(Driver)} is not supported for networks of swarm scope: use the overlay driver`,
    );
  checkOptions(Options);
}

/** Docker finds these out on the node that starts the first task. */
function checkOptions(options: Readonly<Record<string, string>>): void {
  const mtu = options[mtuOption];
  if (mtu !== undefined && !isWithin(mtu, mtuBytes))
    throw invalidArgument(
      `invalid value for option ${mtuOption}: ${JSON.stringify(mtu)} is not a number from ${mtuBytes.min} to ${mtuBytes.max}`,
    );
  const list = options[vniOption];
  if (list?.split(',').every((vni) => isWithin(vni, vnis)) === false)
    throw invalidArgument(
      `invalid value for option ${vniOption}: ${JSON.stringify(list)} is not a list of numbers from ${vnis.min} to ${vnis.max}`,
    );
}

function isWithin(text: string, { min, max }: { readonly min: number; readonly max: number }) {
  return /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max;
}

function specOf(request: NetworkRequest, Name: string): NetworkSpec {
  const { IPAM, Labels = {}, Options } = request;
  return {
    Name,
    Labels,
    Driver: 'overlay',
    Internal: request.Internal === true,
    Attachable: request.Attachable === true,
    Ingress: request.Ingress === true,
    Predefined: false,
    Scope: 'swarm',
    ...(request.EnableIPv6 === true ? { EnableIPv6: true } : {}),
    ...(IPAM === undefined ? {} : { IPAM: ipamSpec(IPAM) }),
    ...(Options === undefined ? {} : { DriverOptions: Options }),
  };
}

function ipamSpec({ Options, Config }: NonNullable<NetworkRequest['IPAM']>): IpamSpec {
  const Driver = { Name: 'default', ...(Options === undefined ? {} : { Options }) };
  if (Config === undefined) return { Driver };
  const Configs = Config.map(
    ({ Subnet, IPRange, Gateway, AuxiliaryAddresses }): IpamConfig => ({
      ...(Subnet === undefined ? {} : { Subnet }),
      ...(IPRange === undefined ? {} : { IPRange }),
      ...(Gateway === undefined ? {} : { Gateway }),
      ...(AuxiliaryAddresses === undefined ? {} : { AuxAddresses: AuxiliaryAddresses }),
    }),
  );
  return { Driver, Configs };
}

/** One ingress network, and no address in two networks. */
function checkNeighbours(view: StateView, spec: NetworkSpec): void {
  const others = [...view.networks.values()];
  const { ingress } = view.networks;
  if (spec.Ingress && ingress !== undefined) throw apiErrors.ingressExists(ingress.id);
  const asked = (spec.IPAM?.Configs ?? []).flatMap(({ Subnet }) => Subnet ?? []);
  for (const [at, subnet] of asked.entries()) {
    if (asked.slice(0, at).some((before) => subnetsOverlap(before, subnet)))
      throw overlap(subnet, spec.Name);
    for (const other of others)
      if (subnetsOf(other).some((taken) => subnetsOverlap(taken, subnet)))
        throw overlap(subnet, other.spec.Name);
  }
}

function overlap(subnet: string, name: string): ApiError {
  return new ApiError(
    403,
    `Pool overlaps with other one on this address space: ${subnet} and network ${name}`,
  );
}

/** What the network has, or has asked for while it waits. */
function subnetsOf({ spec, allocation }: Network): readonly string[] {
  return (
    allocation?.subnets.map(({ subnet }) => subnet) ??
    (spec.IPAM?.Configs ?? []).flatMap(({ Subnet }) => Subnet ?? [])
  );
}
