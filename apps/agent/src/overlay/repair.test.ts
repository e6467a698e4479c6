import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bridge, type Layout, layoutOf } from './layout.ts';
import { type Ports, repairOf } from './repair.ts';
import { readLinks, type SeenLink, type SeenLinks } from './seen.ts';
import { exampleNetwork, exampleOwn } from './testing/examples.ts';

const layout = ((): Layout => {
  const made = layoutOf(exampleNetwork, exampleOwn, { underlayMtu: 1_500, owner: 'shoal-me' });
  if (made === undefined) throw new Error('the example has a balancer address');
  return made;
})();
const { device, namespace } = layout;
const none: Ports = { joined: new Set(), isComplete: true };

const right: ReadonlyMap<string, SeenLink> = new Map([
  [
    bridge,
    {
      ...{ up: true, mtu: 1_450, master: undefined, mac: '02:42:0a:00:01:02', alias: 'shoal-me' },
      ...{ tunnel: undefined, addresses: ['10.0.1.2/24', '10.0.1.1/32', 'fd00:1::1/128'] },
    },
  ],
  [
    device,
    {
      ...{ up: true, mtu: 1_450, master: bridge, mac: '', alias: undefined, addresses: [] },
      tunnel: { vni: 4_097, dstport: 4_789, vtep: '192.0.2.1', learning: false, proxy: true },
    },
  ],
]);

function seen(changes: Readonly<Record<string, Partial<SeenLink> | undefined>>): SeenLinks {
  const links = new Map(right);
  for (const [name, change] of Object.entries(changes)) {
    const before = links.get(name) ?? right.get(device);
    if (change === undefined || before === undefined) links.delete(name);
    else links.set(name, { ...before, ...change });
  }
  return links;
}

test('a network that is not there is made in three steps', () => {
  expect(repairOf(layout, undefined, none)).toEqual({
    kinds: ['namespace', 'bridge', 'tunnel', 'address'],
    steps: [
      {
        where: 'host',
        lines: [
          'netns add shoal-4097',
          'link add shx4097 mtu 1450 type vxlan id 4097 dstport 4789 local 192.0.2.1 nolearning proxy',
          'link set shx4097 netns shoal-4097',
        ],
      },
      {
        where: 'network',
        lines: [
          'link set lo up',
          'link add br0 type bridge mcast_snooping 0',
          'link set br0 mtu 1450 address 02:42:0a:00:01:02 alias shoal-me addrgenmode none up',
          'link set shx4097 mtu 1450 master br0 addrgenmode none up',
          'addr replace 10.0.1.2/24 dev br0',
          'addr replace 10.0.1.1/32 dev br0',
          'addr replace fd00:1::1/128 dev br0 nodad',
          'route replace fd00:1::/64 dev br0',
        ],
      },
    ],
  });
});

const remake = [
  'link add shx4097 mtu 1450 type vxlan id 4097 dstport 4789 local 192.0.2.1 nolearning proxy',
  'link set shx4097 netns shoal-4097',
];
const enslave = 'link set shx4097 mtu 1450 master br0 addrgenmode none up';
const set = 'link set br0 mtu 1450 address 02:42:0a:00:01:02 alias shoal-me addrgenmode none up';
const tunnel = right.get(device)?.tunnel;
const oneJoined: Ports = { joined: new Set(['sh-1']), isComplete: true };
const wideLinks = { [bridge]: { mtu: 1_500 }, [device]: { mtu: 1_500 } };

function wide(line: string): string {
  return line.replace('mtu 1450', 'mtu 1500');
}

test.each<[string, SeenLinks, Ports, readonly string[]]>([
  ['nothing where all is right', right, none, []],
  ['an address of the balancer', seen({ [bridge]: withAddress('10.0.1.9/32') }), none, []],
  ['another MTU', seen({ [bridge]: { mtu: 1_400 } }), none, [set]],
  ['an alias of another agent', seen({ [bridge]: { alias: 'shoal-other' } }), none, [set]],
  [
    'an old balancer address',
    seen({ [bridge]: withAddress('10.0.1.3/24') }),
    none,
    ['addr del 10.0.1.3/24 dev br0'],
  ],
  ['a tunnel off the bridge', seen({ [device]: { master: undefined } }), none, [enslave]],
  ['no tunnel', seen({ [device]: undefined }), none, [...remake, enslave]],
  [
    'a tunnel from another address',
    seen({ [device]: { tunnel: tunnel && { ...tunnel, vtep: '192.0.2.7' } } }),
    none,
    ['link del shx4097', ...remake, enslave],
  ],
  ['a port of nobody', seen({ 'sh-1': {} }), none, ['link del sh-1']],
  ['a port of nobody we know', seen({ 'sh-1': {} }), { ...none, isComplete: false }, []],
  [
    'a port off the bridge',
    seen({ 'sh-1': { master: undefined } }),
    { joined: new Set(['sh-1']), isComplete: true },
    ['link set sh-1 master br0 addrgenmode none up'],
  ],
  ['an interface of somebody else', seen({ leg0: {} }), none, []],
  ['nothing for a wider port', seen({ ...wideLinks, 'sh-1': { mtu: 1_500 } }), oneJoined, []],
  [
    'what a wider port needs',
    seen({ 'sh-1': { mtu: 1_500 }, 'sh-2': { mtu: 1_400 } }),
    { joined: new Set(['sh-1', 'sh-2']), isComplete: true },
    [wide(set), wide(enslave)],
  ],
  [
    'a tunnel for a wider port',
    seen({ ...wideLinks, [device]: undefined, 'sh-1': { mtu: 1_500 } }),
    oneJoined,
    [...remake.map(wide), wide(enslave)],
  ],
  ['what the last wider port has left', seen(wideLinks), none, [set, enslave]],
  ['a wider interface of somebody else', seen({ leg0: { mtu: 1_500 } }), none, []],
])('%s', (_what, links, ports, lines) => {
  expect(repairOf(layout, links, ports).steps.flatMap((step) => step.lines)).toEqual(lines);
});

function withAddress(address: string): Partial<SeenLink> {
  return { addresses: [...(right.get(bridge)?.addresses ?? []), address] };
}

test('only what is made on the host is done on the host', () => {
  const links = fc.constantFrom(
    undefined,
    right,
    seen({ [device]: undefined }),
    seen({ [bridge]: undefined }),
  );
  fc.assert(
    fc.property(links, fc.boolean(), (found, isComplete) => {
      for (const { where, lines } of repairOf(layout, found, { ...none, isComplete }).steps) {
        if (where === 'network') continue;
        for (const line of lines) {
          expect(line).toMatch(new RegExp(`^(netns add ${namespace}|link (add|set) ${device} )`));
        }
      }
    }),
  );
});

test('output of ip that says nothing', () => {
  expect(readLinks('')).toEqual(new Map());
  expect(readLinks('[{},{}]')).toEqual(new Map());
  expect(() => readLinks('[{"ifname":7}]')).toThrow();
});

describe('an encrypted network', () => {
  const secret = layoutOf({ ...exampleNetwork, encrypted: true }, exampleOwn, {
    ...{ underlayMtu: 1_500, owner: 'shoal-me', encryptedUnderlay: 'shoal-me-wg' },
  });
  if (secret === undefined) throw new Error('there is what encrypts');
  const steps = (links: SeenLinks | undefined) => repairOf(secret, links, none).steps;
  const create = [
    'link add she4097 mtu 1370 type vxlan id 4097 dstport 4789 local 192.0.2.1 nolearning proxy',
    'link set she4097 netns shoal-4097',
  ];

  test('has its tunnel made where all packets go encrypted', () => {
    const [first, second] = steps(undefined);
    expect(first).toEqual({ where: 'host', lines: ['netns add shoal-4097'] });
    expect(second).toEqual({ where: 'underlay', lines: create });
  });

  test('does not take the tunnel of a network that is not, and the other way round', () => {
    const open = right.get(device);
    if (open === undefined) throw new Error('there is a tunnel');
    expect(steps(right)[0]).toEqual({ where: 'network', lines: ['link del shx4097'] });
    const links = new Map([...right, ['she4097', open]]);
    expect(repairOf(layout, links, none).steps[0]?.lines).toEqual(['link del she4097']);
  });

  test('is not built where nothing encrypts', () => {
    const options = { underlayMtu: 1_500, owner: 'shoal-me' };
    expect(layoutOf({ ...exampleNetwork, encrypted: true }, exampleOwn, options)).toBeUndefined();
  });
});
