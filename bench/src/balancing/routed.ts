import type { World } from '@shoal/ingress-lb/testing';

/** The task's addresses: by the first it is reached through the other host, by the second through its own. */
export const routedAddresses = { other: '10.77.1.21', own: '10.77.1.31' } as const;

/** Ends of a link between a host and its end of the network, as the routing mesh has one. */
const link = { outer: '10.78.0.1', inner: '10.78.0.2', prefix: 30 } as const;
const outside = '10.201.77.9';
/** Routing table of replies from the task's second address. */
const table = 131;

/**
 * Ways to the task that cross the very same devices as published ports do, on hosts that only route: nothing is
 * chosen and no address is changed.
 */
export async function routeThroughHosts(world: World): Promise<void> {
  const { topology } = world;
  const ip = (part: string, ...lines: readonly string[]): Promise<void> =>
    inTurn(lines, (line) => world.kernel(topology.path(part), 'ip', ...line.split(' ')));
  for (const host of ['a', 'b']) {
    const inside = `${host}-demo`;
    await ip(
      host,
      `link add plain-out type veth peer name plain-in netns ${topology.path(inside)}`,
      `address add ${link.outer}/${link.prefix} dev plain-out`,
      'link set plain-out up',
    );
    await ip(
      inside,
      `address add ${link.inner}/${link.prefix} dev plain-in`,
      'link set plain-in up',
      `route add ${outside} via ${link.outer}`,
    );
    await ip(host, `route add 10.77.1.0/24 via ${link.inner}`);
  }
  await ip(
    'outside',
    `route add ${routedAddresses.other} via 10.201.77.1`,
    `route add ${routedAddresses.own} via 10.201.77.2`,
  );
  await ip(
    't3',
    `address add ${routedAddresses.own}/32 dev eth0`,
    `route add ${outside} via 10.77.1.241 dev eth0`,
    `route add ${outside} via 10.77.1.242 dev eth0 table ${table}`,
    `rule add from ${routedAddresses.own} lookup ${table}`,
  );
}

async function inTurn(
  lines: readonly string[],
  work: (line: string) => Promise<unknown>,
): Promise<void> {
  for (const line of lines) await work(line);
}
