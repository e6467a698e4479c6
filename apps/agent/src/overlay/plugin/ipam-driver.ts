import type { NodeNetwork } from '@shoal/overlay';
import { addressOf, canonical, familyOf } from '@shoal/state';
import { z } from 'zod';
import { isInSubnet } from '../layout.ts';
import { networkOption, type Outcome } from './network-driver.ts';
import { answered, type Method, type Methods, method, type Reply, refused } from './server.ts';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const options = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? {});

const requestPool = z.object({
  Pool: text,
  Options: options,
  V6: z
    .boolean()
    .nullish()
    .transform((value) => value ?? false),
});
const requestAddress = z.object({ PoolID: z.string().min(1), Address: text, Options: options });
const releaseAddress = z.object({ PoolID: z.string().min(1), Address: text });

const addressType = 'RequestAddressType';
const gatewayType = 'com.docker.network.gateway';

/** Where addresses of containers come from. */
export interface AddressBook {
  network(networkId: string): NodeNetwork | undefined;
  /**
   * An address for a container: `wanted`, or a free one of the subnet.
   * The answer is with prefix length.
   */
  give(networkId: string, subnet: string, wanted: string): Promise<Outcome<string>>;
  /** The container is gone. */
  release(networkId: string, address: string): void;
}

/** The engine asks for a pool and its addresses; the swarm has long allocated both. */
export function ipamDriverMethods(book: AddressBook): Methods {
  const methods: readonly (readonly [string, Method])[] = [
    [
      'IpamDriver.GetCapabilities',
      method(z.unknown(), async () =>
        answered({ RequiresMACAddress: false, RequiresRequestReplay: false }),
      ),
    ],
    [
      'IpamDriver.GetDefaultAddressSpaces',
      method(z.unknown(), async () =>
        answered({
          LocalDefaultAddressSpace: 'shoal-local',
          GlobalDefaultAddressSpace: 'shoal-global',
        }),
      ),
    ],
    ['IpamDriver.RequestPool', method(requestPool, async (body) => pool(book, body))],
    ['IpamDriver.ReleasePool', method(z.unknown(), async () => answered())],
    ['IpamDriver.RequestAddress', method(requestAddress, (body) => address(book, body))],
    [
      'IpamDriver.ReleaseAddress',
      method(releaseAddress, async (body) => {
        const found = readPoolId(body.PoolID);
        if (found !== undefined) book.release(found.networkId, body.Address);
        return answered();
      }),
    ],
  ];
  return new Map(methods);
}

/** All that is needed later is in the id: the engine keeps it, whatever we lose. */
function poolId(networkId: string, subnet: string): string {
  return `${networkId}/${subnet}`;
}

function readPoolId(id: string): { networkId: string; subnet: string } | undefined {
  const slash = id.indexOf('/');
  const subnet = canonical(id.slice(slash + 1));
  if (slash < 1 || subnet === undefined || !subnet.includes('/')) return undefined;
  return { networkId: id.slice(0, slash), subnet };
}

function pool(book: AddressBook, body: z.output<typeof requestPool>): Reply {
  const networkId = body.Options[networkOption];
  if (typeof networkId !== 'string') {
    return refused(
      'addresses of this driver are given by the swarm: docker network create -d overlay',
    );
  }
  const network = book.network(networkId);
  if (network === undefined) return refused(`the swarm has no network ${networkId} here`);
  const family = body.V6 ? 6 : 4;
  const found = network.subnets.find(({ subnet }) =>
    body.Pool === '' ? familyOf(subnet) === family : subnet === canonical(body.Pool),
  );
  if (found === undefined) {
    return refused(`network ${network.name} has no subnet ${body.Pool || `of IPv${family}`}`);
  }
  return answered({ PoolID: poolId(networkId, found.subnet), Pool: found.subnet, Data: {} });
}

async function address(book: AddressBook, body: z.output<typeof requestAddress>): Promise<Reply> {
  const found = readPoolId(body.PoolID);
  if (found === undefined) return refused(`no pool ${body.PoolID}`);
  const { networkId, subnet } = found;
  const prefix = subnet.slice(subnet.indexOf('/') + 1);
  const wanted = body.Address === '' ? '' : canonical(addressOf(body.Address));
  if (wanted === undefined) return refused(`${body.Address} is no address`);
  if (wanted !== '' && !isInSubnet(subnet, wanted)) return refused(`${wanted} is not in ${subnet}`);
  if (body.Options[addressType] === gatewayType) {
    const own = book.network(networkId)?.subnets.find((each) => each.subnet === subnet)?.gateway;
    const gateway = wanted === '' ? own : wanted;
    return gateway === undefined
      ? refused(`the swarm has no network ${networkId} here`)
      : answered({ Address: `${gateway}/${prefix}`, Data: {} });
  }
  const given = await book.give(networkId, subnet, wanted);
  return given.kind === 'ok'
    ? answered({ Address: given.value, Data: {} })
    : refused(given.message);
}
