import {
  type Attachment,
  addressOf,
  type EndpointRecord,
  familyOf,
  macOf,
  type Network,
} from '@shoal/state';

/** Characters of a node's id that stand for its host, as many as Docker shows of its peers. */
const peerChars = 12;

/** A container in a network, as the engine tells it. */
export interface ContainerShape {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  readonly IPv4Address: string;
  readonly IPv6Address: string;
}

/** The hosts that have a part in a network, each once. */
export function peersShape(records: readonly EndpointRecord[]) {
  const hosts = new Map(records.map(({ nodeId, vtep }) => [nodeId, vtep]));
  return [...hosts].map(([nodeId, IP]) => ({ Name: nodeId.slice(0, peerChars), IP }));
}

/** The host's balancer among the containers of a network, under the key and names that Docker gives it. */
export function balancerShape(
  { spec }: Pick<Network, 'spec'>,
  { id, addresses }: Pick<Attachment, 'id' | 'addresses'>,
): Readonly<Record<string, ContainerShape>> {
  const ofFamily = (family: 4 | 6): string =>
    addresses.find((address) => familyOf(address) === family) ?? '';
  const [first = ''] = addresses;
  return {
    [spec.Ingress ? 'ingress-sbox' : `lb-${spec.Name}`]: {
      Name: `${spec.Name}-endpoint`,
      EndpointID: id,
      MacAddress: macOf(addressOf(first)) ?? '',
      IPv4Address: ofFamily(4),
      IPv6Address: ofFamily(6),
    },
  };
}

interface ServiceEntry {
  readonly VIP: string;
  readonly Ports: readonly string[];
  /** The number of a firewall mark of Docker's balancer; ours goes by addresses. */
  readonly LocalLBIndex: 0;
  readonly Tasks: {
    readonly Name: string;
    readonly EndpointID: string;
    readonly EndpointIP: string;
    readonly Info: Readonly<Record<string, string>>;
  }[];
}

/** What `inspect --verbose` adds: who is in the network, by service; containers run by hand under no name. */
export function networkServicesShape(
  records: readonly EndpointRecord[],
): Readonly<Record<string, ServiceEntry>> {
  const services = new Map<string, ServiceEntry>();
  for (const record of records) {
    if (record.kind === 'balancer') continue;
    const { service, name, endpointId, addresses, vtep } = record;
    const key = service?.name ?? '';
    const entry = services.get(key) ?? emptyEntry(service);
    services.set(key, entry);
    const EndpointIP = addresses[0] ?? '';
    entry.Tasks.push({ Name: name, EndpointID: endpointId, EndpointIP, Info: { 'Host IP': vtep } });
  }
  return Object.fromEntries(services);
}

function emptyEntry(service: EndpointRecord['service']): ServiceEntry {
  return {
    // What Go prints of an address that is not there.
    VIP: service?.virtualIps[0] ?? '<nil>',
    Ports: (service?.ports ?? []).map(
      ({ targetPort, publishedPort }) => `Target: ${targetPort}, Publish: ${publishedPort}`,
    ),
    LocalLBIndex: 0,
    Tasks: [],
  };
}
