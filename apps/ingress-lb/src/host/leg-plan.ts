import { type Family, formatAddress, hostsOf, nth, parseCidr } from '@shoal/state';
import { z } from 'zod';
import { defaultLeg, type LegPlan } from './leg.ts';

/** A flag's value: four addresses of a family. */
export function legRange(family: Family) {
  const prefix = family === 4 ? 30 : 126;
  return z.string().refine((text) => {
    const cidr = parseCidr(text);
    return cidr?.address.family === family && cidr.prefix === prefix;
  }, `must be an IPv${family} range of four addresses, /${prefix}`);
}

/** The two ends of the link: the first two hosts of each range. */
export function legPlan(range4: string, range6: string): LegPlan {
  const ends = (range: string): readonly [string | undefined, string | undefined] => {
    const cidr = parseCidr(range);
    if (cidr === undefined) return [undefined, undefined];
    const hosts = hostsOf(cidr);
    const end = (at: bigint): string | undefined => {
      const address = nth(hosts, at);
      return address === undefined ? undefined : `${formatAddress(address)}/${cidr.prefix}`;
    };
    return [end(0n), end(1n)];
  };
  const [host4, inside4] = ends(range4);
  const [host6, inside6] = ends(range6);
  return { ...defaultLeg, host: { v4: host4, v6: host6 }, inside: { v4: inside4, v6: inside6 } };
}
