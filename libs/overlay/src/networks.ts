import type { EndpointRecord } from '@shoal/state';

export interface OverlaySubnet {
  /** Canonical CIDR, such as `10.0.1.0/24`. */
  readonly subnet: string;
  /** First host of the range by default; canonical, without prefix length. */
  readonly gateway: string;
  /** VXLAN network identifier; the subnets of both families of a network may share one. */
  readonly vni: number;
}

/** Another host of an encrypted network. */
export interface EncryptedHost {
  readonly nodeId: string;
  /** Where its tunnels end; canonical. */
  readonly vtep: string;
  /** WireGuard's: 32 bytes in base64. */
  readonly publicKey: string;
  /** UDP, at the same address. */
  readonly port: number;
}

/** A network that a node must have, as its dispatcher tells it. */
export interface NodeNetwork {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly OverlaySubnet[];
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly ingress: boolean;
  readonly encrypted: boolean;
  /** Of an encrypted network: the other hosts in it that can encrypt, in order of their ids. */
  readonly encryptedHosts?: readonly EncryptedHost[] | undefined;
  /** MTU of the way between hosts, where the user says it; absent: that of the host's own device. */
  readonly mtu?: number | undefined;
  /** UDP port of the tunnels. */
  readonly dataPathPort: number;
  /** This node's balancer addresses with prefix length; empty until they are allocated. */
  readonly balancerAddresses: readonly string[];
  /** Driver options as the user gave them. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** A container of this host in a network, for the host's own balancer and resolver. */
export interface LocalEndpoint {
  readonly endpointId: string;
  /** Path of the container's network namespace. */
  readonly sandbox: string;
  /** Hardware address of its interface in this network. */
  readonly mac: string;
  readonly addresses: readonly string[];
  /** Ids of all overlay networks that the container is in, in the order its names are looked up. */
  readonly networks: readonly string[];
  /** The nameservers the user gave the container, `address:port`; absent: those of its network. */
  readonly upstreams?: readonly string[] | undefined;
}

/** A network as it stands on this host, without its records. */
export interface HostNetwork {
  readonly id: string;
  readonly name: string;
  /** Path of the network's namespace, such as `/run/netns/shoal-4097`. */
  readonly namespace: string;
  readonly subnets: readonly OverlaySubnet[];
  readonly internal: boolean;
  readonly ingress: boolean;
  readonly mtu: number;
  /** With prefix length. */
  readonly balancerAddresses: readonly string[];
  /** Where names unknown to the swarm are asked for, `address:port`. */
  readonly upstreams: readonly string[];
  readonly local: readonly LocalEndpoint[];
}

/** What changed on this host in one network. Consumers fold these one after the other. */
export interface HostNetworkChange {
  readonly id: string;
  /** The network is no longer here. */
  readonly removed?: true | undefined;
  /** Present when the network is new or itself changed. */
  readonly network?: HostNetwork | undefined;
  /** The records are all there are: forget others. */
  readonly complete: boolean;
  readonly records: readonly EndpointRecord[];
  /** Endpoint ids that are gone. */
  readonly gone: readonly string[];
}
