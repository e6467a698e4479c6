import {
  type Address,
  type Cidr,
  contains,
  familyBits,
  formatCidr,
  isNetwork,
  networkOf,
  overlaps,
  parseAddress,
  parseCidr,
  rangeOf,
} from '@shoal/state';
import { ApiError } from '../errors.ts';
import type { IpamConfigRequest, NetworkRequest } from '../requests/network.ts';

/** Subnets of one network. */
const subnetsMax = 16;

/**
 * Checks the address settings as Docker's daemon does before the cluster store sees them: everything that is
 * wrong is told at once. @throws ApiError 400
 */
export function checkIpam({ IPAM, EnableIPv6 }: NetworkRequest): void {
  const configs = IPAM?.Config ?? [];
  const wrong = configs.flatMap((config) => configProblems(config, EnableIPv6 === true));
  if (configs.length > subnetsMax) wrong.push(`a network has at most ${subnetsMax} subnets`);
  const [first] = wrong;
  if (first === undefined) return;
  const told = wrong.length === 1 ? first : wrong.map((one) => `* ${one}`).join('\n');
  throw new ApiError(400, `invalid network config:\n${told}`);
}

function configProblems(config: IpamConfigRequest, ipv6: boolean): string[] {
  const text = config.Subnet ?? '';
  const subnet = parseCidr(text);
  if (subnet === undefined) return [`invalid subnet ${text}: invalid CIDR block notation`];
  // Docker leaves such a subnet unused and says nothing.
  if (subnet.address.family === 6 && !ipv6)
    return [`invalid subnet ${text}: IPv6 is not enabled for the network`];
  const wrong: string[] = [];
  if (!isNetwork(subnet))
    wrong.push(`invalid subnet ${formatCidr(subnet)}: it should be ${masked(subnet)}`);
  wrong.push(...rangeProblems(config.IPRange, subnet));
  const gateway = addressProblem(config.Gateway, subnet);
  if (gateway !== undefined) wrong.push(`invalid gateway ${config.Gateway}: ${gateway}`);
  for (const [name, address] of Object.entries(config.AuxiliaryAddresses ?? {})) {
    const problem = addressProblem(address, subnet);
    if (problem !== undefined) wrong.push(`invalid auxiliary address ${name}: ${problem}`);
  }
  return wrong;
}

function rangeProblems(text: string | undefined, subnet: Cidr): string[] {
  if (text === undefined) return [];
  const range = parseCidr(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.address.family !== subnet.address.family)
    return [`invalid ip-range ${text}: parent subnet is an ${familyName(subnet.address)} block`];
  const wrong: string[] = [];
  const parent = formatCidr(subnet);
  if (range.prefix < subnet.prefix)
    wrong.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  if (!isNetwork(range))
    wrong.push(`invalid ip-range ${formatCidr(range)}: it should be ${masked(range)}`);
  if (!overlaps(rangeOf(subnet), rangeOf(range)))
    wrong.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  return wrong;
}

function addressProblem(text: string | undefined, subnet: Cidr): string | undefined {
  if (text === undefined || text === '') return undefined;
  const address = parseAddress(text);
  if (address === undefined) return 'invalid address';
  if (address.family !== subnet.address.family)
    return `parent subnet is an ${familyName(subnet.address)} block`;
  return contains(rangeOf(subnet), address)
    ? undefined
    : `parent subnet ${formatCidr(subnet)} doesn't contain this address`;
}

function masked(cidr: Cidr): string {
  return formatCidr(networkOf(cidr));
}

function familyName({ family }: Address): string {
  return family === 4 ? 'IPv4' : 'IPv6';
}

/** Whether two CIDR texts, both valid, have an address in common. */
export function subnetsOverlap(a: string, b: string): boolean {
  const one = parseCidr(a);
  const other = parseCidr(b);
  return one !== undefined && other !== undefined && overlaps(rangeOf(one), rangeOf(other));
}

/** Prefix length of the subnets that are cut from IPv6 pools; the mask length that is asked for is of IPv4. */
const ipv6SubnetSize = 64;

/**
 * Checks `--default-addr-pool` and its mask length as Docker's daemon does.
 * @throws ApiError 500, as Docker answers
 */
export function checkPools(pools: readonly string[], subnetSize: number): void {
  if (subnetSize > familyBits[4])
    throw new ApiError(500, `subnet size is out of range: ${subnetSize}`);
  for (const [at, text] of pools.entries()) {
    const pool = parseCidr(text);
    if (pool === undefined) throw new ApiError(500, `invalid CIDR address: ${text}`);
    const size = pool.address.family === 4 ? subnetSize : ipv6SubnetSize;
    if (pool.prefix > size)
      throw new ApiError(
        500,
        `invalid CIDR: ${JSON.stringify(text)}. Subnet size is too small for pool: ${size}`,
      );
    const taken = pools.slice(0, at).find((other) => subnetsOverlap(other, text));
    if (taken !== undefined)
      throw new ApiError(500, `default address pool ${text} overlaps with ${taken}`);
  }
}
