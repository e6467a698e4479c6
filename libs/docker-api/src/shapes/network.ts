import type { Network, NetworkSpec } from '@shoal/state';
import { vniOption } from '../network/names.ts';
import { rfc3339Nano } from '../time.ts';
import { metaShape, unlessEmpty } from './meta.ts';

export const predefinedLabel = 'com.docker.swarm.predefined';

/** A swarm network as seen through the cluster alone; on a host that has a part in it more is known. */
export function networkShape(network: Network) {
  const { spec } = network;
  const labels = labelsOf(spec);
  const options = driverOptions(network);
  return {
    Name: spec.Name,
    Id: network.id,
    Created: rfc3339Nano(network.meta.createdAt),
    Scope: 'swarm',
    Driver: spec.Driver,
    EnableIPv4: false,
    EnableIPv6: spec.EnableIPv6 === true,
    IPAM: ipamShape(network),
    Internal: spec.Internal,
    Attachable: spec.Attachable,
    Ingress: spec.Ingress,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: null,
    Options: Object.keys(options).length === 0 ? null : options,
    Labels: Object.keys(labels).length === 0 ? null : labels,
  };
}

export type NetworkShape = ReturnType<typeof networkShape>;

function ipamShape({ spec, allocation }: Network) {
  if (spec.Predefined) return { Driver: '', Options: null, Config: [] };
  const Options = spec.IPAM?.Driver?.Options ?? null;
  if (allocation === undefined) return { Driver: 'default', Options, Config: null };
  return { Driver: 'default', Options, Config: subnetShapes({ spec, allocation }) };
}

type Allocated = Pick<Network, 'spec'> & {
  readonly allocation: NonNullable<Network['allocation']>;
};

/** The subnets as they were given, each with what the user said of it. */
function subnetShapes({ spec, allocation }: Allocated) {
  return allocation.subnets.map(({ subnet, gateway }, at) => {
    const asked = spec.IPAM?.Configs?.[at];
    return {
      Subnet: subnet,
      IPRange: asked?.IPRange,
      Gateway: gateway,
      AuxiliaryAddresses: asked?.AuxAddresses,
    };
  });
}

function driverOptions({ spec, allocation }: Network): Readonly<Record<string, string>> {
  if (allocation === undefined) return spec.DriverOptions ?? {};
  const vnis = [...new Set(allocation.subnets.map(({ vni }) => vni))].join(',');
  return vnis === '' ? (spec.DriverOptions ?? {}) : { ...spec.DriverOptions, [vniOption]: vnis };
}

function labelsOf({ Labels, Predefined }: NetworkSpec) {
  return Predefined ? { ...Labels, [predefinedLabel]: 'true' } : Labels;
}

/** The network as tasks show it among their attachments. */
export function attachedNetworkShape(network: Network) {
  const { id, meta, spec, allocation } = network;
  const options = driverOptions(network);
  return {
    ...metaShape(id, meta),
    Spec: networkSpecShape(network),
    DriverState: {
      Name: spec.Driver,
      Options: Object.keys(options).length === 0 ? undefined : options,
    },
    IPAMOptions: spec.Predefined
      ? { Driver: {} }
      : {
          Driver: { Name: 'default' },
          Configs: allocation === undefined ? undefined : subnetConfigs({ spec, allocation }),
        },
  };
}

function subnetConfigs(network: Allocated) {
  return subnetShapes(network).map(({ Subnet, IPRange, Gateway }) => {
    return { Subnet, Range: IPRange, Gateway };
  });
}

function networkSpecShape({ spec, allocation }: Network) {
  const { IPAM } = spec;
  return {
    Name: spec.Name,
    Labels: labelsOf(spec),
    DriverConfiguration: { Name: unlessEmpty(spec.Driver), Options: spec.DriverOptions },
    IPv6Enabled: spec.EnableIPv6 === true ? true : undefined,
    Internal: spec.Internal || undefined,
    Attachable: spec.Attachable || undefined,
    Ingress: spec.Ingress || undefined,
    IPAMOptions:
      IPAM === undefined
        ? undefined
        : {
            Driver: { Name: IPAM.Driver?.Name ?? 'default', Options: IPAM.Driver?.Options },
            // Docker's allocator writes what it chose into the spec.
            Configs: IPAM.Configs?.map(({ Subnet, IPRange, Gateway }, at) => {
              return {
                Subnet,
                Range: IPRange,
                Gateway: Gateway ?? allocation?.subnets[at]?.gateway,
              };
            }),
          },
    Scope: 'swarm',
  };
}
