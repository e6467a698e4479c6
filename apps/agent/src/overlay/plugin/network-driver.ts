import { nameserversOption } from '@shoal/overlay';
import { parseAddress } from '@shoal/state';
import { z } from 'zod';
import { answered, type Method, type Methods, method, type Reply, refused } from './server.ts';

/** Driver option and label that say which of the swarm's networks an engine's network stands for. */
export const networkOption = 'com.shoal.network';
const genericOptions = 'com.docker.network.generic';

/** Go writes absent lists and maps as null. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

const createNetwork = z.object({
  NetworkID: z.string().min(1),
  Options: z.object({ [genericOptions]: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});
const networkOnly = z.object({ NetworkID: z.string().min(1) });
const endpointOnly = networkOnly.extend({ EndpointID: z.string().min(1) });
/** As somebody may have written it by hand; what is no address is left out. */
const nameservers = text
  .transform((list) => list.split(',').filter((each) => parseAddress(each) !== undefined))
  .catch([]);
const createEndpoint = endpointOnly.extend({
  Options: z.object({ [nameserversOption]: nameservers }).nullish(),
  Interface: z.object({ Address: text, AddressIPv6: text, MacAddress: text }).nullish(),
});
const join = endpointOnly.extend({ SandboxKey: z.string().min(1) });

export interface NewEndpoint {
  readonly engineNetworkId: string;
  readonly id: string;
  /** Addresses in the network, with prefix length. */
  readonly addresses: readonly string[];
  /** Hardware address that the user wants; empty where none is asked for. */
  readonly mac: string;
  /** Nameservers that the user gave to a container run by hand. */
  readonly nameservers: readonly string[];
}

export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failed'; readonly message: string };

export interface JoinAnswer {
  /** Interface in the host's namespace that the engine is to move into the container. */
  readonly device: string;
  /** Subnets that are reached through it besides its own. */
  readonly subnets: readonly string[];
}

/** What stands behind the protocol. None of these may call the engine: it waits for the answer. */
export interface EndpointPlumbing {
  /** Resolves once the network is noted on disk: the engine tells of it only once. */
  networkCreated(engineNetworkId: string, networkId: string): Promise<Outcome<undefined>>;
  networkDeleted(engineNetworkId: string): void;
  /** The endpoint's hardware address. */
  endpointCreated(endpoint: NewEndpoint): Outcome<string>;
  endpointDeleted(id: string): void;
  join(id: string, sandbox: string): Promise<Outcome<JoinAnswer>>;
  leave(id: string): void;
  /** The engine has just begun to talk with us: it was restarted, or we were. */
  activated(): void;
}

const connectedRoute = 1;

export function networkDriverMethods(plumbing: EndpointPlumbing): Methods {
  const nothing = method(z.unknown(), async () => answered());
  const methods: readonly (readonly [string, Method])[] = [
    [
      'Plugin.Activate',
      method(z.unknown(), async () => {
        plumbing.activated();
        return answered({ Implements: ['NetworkDriver', 'IpamDriver'] });
      }),
    ],
    [
      'NetworkDriver.GetCapabilities',
      method(z.unknown(), async () => answered({ Scope: 'local', ConnectivityScope: 'global' })),
    ],
    ['NetworkDriver.CreateNetwork', method(createNetwork, (body) => created(plumbing, body))],
    [
      'NetworkDriver.DeleteNetwork',
      method(networkOnly, async (body) => {
        plumbing.networkDeleted(body.NetworkID);
        return answered();
      }),
    ],
    [
      'NetworkDriver.CreateEndpoint',
      method(createEndpoint, async (body) => endpointCreated(plumbing, body)),
    ],
    [
      'NetworkDriver.DeleteEndpoint',
      method(endpointOnly, async (body) => {
        plumbing.endpointDeleted(body.EndpointID);
        return answered();
      }),
    ],
    ['NetworkDriver.EndpointOperInfo', method(z.unknown(), async () => answered({ Value: {} }))],
    ['NetworkDriver.Join', method(join, (body) => joined(plumbing, body))],
    [
      'NetworkDriver.Leave',
      method(endpointOnly, async (body) => {
        plumbing.leave(body.EndpointID);
        return answered();
      }),
    ],
    ['NetworkDriver.ProgramExternalConnectivity', nothing],
    ['NetworkDriver.RevokeExternalConnectivity', nothing],
    ['NetworkDriver.DiscoverNew', nothing],
    ['NetworkDriver.DiscoverDelete', nothing],
  ];
  return new Map(methods);
}

async function created(
  plumbing: EndpointPlumbing,
  body: z.output<typeof createNetwork>,
): Promise<Reply> {
  const networkId = body.Options?.[genericOptions]?.[networkOption];
  if (typeof networkId !== 'string') {
    return refused(
      'networks of this driver are made by the swarm: docker network create -d overlay',
    );
  }
  const done = await plumbing.networkCreated(body.NetworkID, networkId);
  return done.kind === 'ok' ? answered() : refused(done.message);
}

function endpointCreated(plumbing: EndpointPlumbing, body: z.output<typeof createEndpoint>): Reply {
  const { Address = '', AddressIPv6 = '', MacAddress = '' } = body.Interface ?? {};
  const done = plumbing.endpointCreated({
    engineNetworkId: body.NetworkID,
    id: body.EndpointID,
    addresses: [Address, AddressIPv6].filter((address) => address !== ''),
    mac: MacAddress,
    nameservers: body.Options?.[nameserversOption] ?? [],
  });
  if (done.kind === 'failed') return refused(done.message);
  // Only what came empty may be answered.
  return answered({ Interface: MacAddress === '' ? { MacAddress: done.value } : {} });
}

async function joined(plumbing: EndpointPlumbing, body: z.output<typeof join>): Promise<Reply> {
  const done = await plumbing.join(body.EndpointID, body.SandboxKey);
  if (done.kind === 'failed') return refused(done.message);
  const { device, subnets } = done.value;
  return answered({
    InterfaceName: { SrcName: device, DstPrefix: 'eth' },
    StaticRoutes: subnets.map((Destination) => ({ Destination, RouteType: connectedRoute })),
  });
}
