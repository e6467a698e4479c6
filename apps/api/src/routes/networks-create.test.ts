import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, hex, NetworkSite, overlay } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

describe('a network that is created', () => {
  beforeEach(async () => {
    await site.init();
  });

  test('has an id of Docker’s form, and what was asked for', async () => {
    const asked = {
      Attachable: true,
      Internal: true,
      IPAM: {
        Driver: 'default',
        Config: [
          {
            Subnet: '10.55.0.0/24',
            IPRange: '10.55.0.128/25',
            Gateway: '10.55.0.254',
            AuxiliaryAddresses: { router: '10.55.0.2' },
          },
        ],
      },
      Options: { 'com.docker.network.driver.mtu': '1400' },
      Labels: { a: 'b' },
    };
    const id = await site.create('demo', asked);
    site.allocate(id, '10.55.0', 4_100);
    expect((await site.ask('GET', '/networks/demo')).json).toMatchObject({
      Name: 'demo',
      Id: id,
      Scope: 'swarm',
      Driver: 'overlay',
      Attachable: true,
      Internal: true,
      Ingress: false,
      Labels: { a: 'b' },
      Options: {
        'com.docker.network.driver.mtu': '1400',
        'com.docker.network.driver.overlay.vxlanid_list': '4100',
      },
    });
    expect(site.networkOf(id).spec.IPAM?.Configs).toEqual([
      {
        Subnet: '10.55.0.0/24',
        IPRange: '10.55.0.128/25',
        Gateway: '10.55.0.254',
        AuxAddresses: { router: '10.55.0.2' },
      },
    ]);
  });

  test('is the engine’s own when it is of no swarm, unless the swarm has the name', async () => {
    const answer = await site.ask('POST', '/networks/create', { Name: 'br', Driver: 'bridge' });
    expect(answer).toMatchObject({ status: 201, json: { Id: hex('e') } });
    expect(site.engine.done).toEqual([
      { call: 'POST /networks/create', body: { Name: 'br', Driver: 'bridge' } },
    ]);
    await site.create('demo');
    expect(await site.ask('POST', '/networks/create', { Name: 'demo' })).toMatchObject(
      fail(409, 'network with name demo already exists'),
    );
  });

  const rpc = (code: string, text: string) => `rpc error: code = ${code} desc = ${text}`;
  const bad = (text: string) => `invalid network config:\n${text}`;
  const config = (...Config: readonly object[]) => ({ IPAM: { Config } });
  test.each<[string, object, number, string]>([
    ['a name of the swarm', { Name: 'taken' }, 409, 'network with name taken already exists'],
    ['such a name in capitals', { Name: 'TAKEN' }, 409, 'network with name taken already exists'],
    ['a name of this host', { Name: 'mine' }, 409, 'network with name mine already exists'],
    ['a name of every engine', { Name: 'bridge' }, 409, 'network with name bridge already exists'],
    [
      'a reserved name',
      { Name: 'default' },
      403,
      'default is a pre-defined network and cannot be created',
    ],
    [
      'a name that is no DNS label',
      { Name: 'bad name' },
      400,
      rpc('InvalidArgument', 'name must be valid as a DNS name component'),
    ],
    ['no name', { Name: '' }, 400, rpc('InvalidArgument', 'meta: name must be provided')],
    [
      'a subnet that is none',
      config({ Subnet: '10.55.0.0/99' }),
      400,
      bad('invalid subnet 10.55.0.0/99: invalid CIDR block notation'),
    ],
    [
      'a subnet with host bits, and a gateway outside of it',
      config({ Subnet: '10.55.0.9/24', Gateway: '10.56.0.1' }),
      400,
      bad(
        "* invalid subnet 10.55.0.9/24: it should be 10.55.0.0/24\n* invalid gateway 10.56.0.1: parent subnet 10.55.0.9/24 doesn't contain this address",
      ),
    ],
    [
      'a range that is larger than its subnet',
      config({ Subnet: '10.55.0.0/24', IPRange: '10.55.0.0/16' }),
      400,
      bad(
        'invalid ip-range 10.55.0.0/16: CIDR block is bigger than its parent subnet 10.55.0.0/24',
      ),
    ],
    [
      'a range of elsewhere',
      config({ Subnet: '10.55.0.0/24', IPRange: '10.56.0.0/25' }),
      400,
      bad("invalid ip-range 10.56.0.0/25: parent subnet 10.55.0.0/24 doesn't contain ip-range"),
    ],
    [
      'an address of the other family',
      config({ Subnet: '10.55.0.0/24', Gateway: 'fd00::1' }),
      400,
      bad('invalid gateway fd00::1: parent subnet is an IPv4 block'),
    ],
    [
      'a reserved address of elsewhere',
      config({ Subnet: '10.55.0.0/24', AuxiliaryAddresses: { a: '10.56.0.1' } }),
      400,
      bad("invalid auxiliary address a: parent subnet 10.55.0.0/24 doesn't contain this address"),
    ],
    [
      'an IPv6 subnet without IPv6',
      config({ Subnet: 'fd00:1::/64' }),
      400,
      bad('invalid subnet fd00:1::/64: IPv6 is not enabled for the network'),
    ],
    [
      'a subnet that another network has',
      config({ Subnet: '10.70.0.0/16' }),
      403,
      'Pool overlaps with other one on this address space: 10.70.0.0/16 and network taken',
    ],
    [
      'two subnets that are one',
      config({ Subnet: '10.80.0.0/16' }, { Subnet: '10.80.1.0/24' }),
      403,
      'Pool overlaps with other one on this address space: 10.80.1.0/24 and network x',
    ],
    [
      'a second ingress network',
      { Ingress: true },
      409,
      expect.stringMatching(
        /code = AlreadyExists desc = ingress network \([0-9a-z]{25}\) is already/,
      ),
    ],
    [
      'an ingress network to attach to',
      { Ingress: true, Attachable: true },
      400,
      rpc('InvalidArgument', 'ingress network cannot be attachable'),
    ],
    [
      'an ingress network of another driver',
      { Ingress: true, Driver: 'bridge' },
      501,
      rpc('Unimplemented', 'only overlay driver is currently supported for ingress network'),
    ],
    [
      'another driver',
      { Scope: 'swarm', Driver: 'macvlan' },
      501,
      rpc(
        'Unimplemented',
        'driver "macvlan" is not supported for networks of swarm scope: use the overlay driver',
      ),
    ],
    [
      'another IPAM driver',
      { IPAM: { Driver: 'dhcp' } },
      400,
      rpc(
        'InvalidArgument',
        'IPAM driver "dhcp" is not supported: addresses of swarm networks are given by the driver "default"',
      ),
    ],
    ['no IPv4', { EnableIPv4: false }, 400, 'IPv4 cannot be disabled in a Swarm scoped network'],
    [
      'an MTU that is no number',
      { Options: { 'com.docker.network.driver.mtu': 'big' } },
      400,
      rpc(
        'InvalidArgument',
        'invalid value for option com.docker.network.driver.mtu: "big" is not a number from 218 to 65535',
      ),
    ],
    [
      'a label of the engine’s',
      { Labels: { 'com.docker.swarm.predefined': 'true' } },
      403,
      rpc(
        'PermissionDenied',
        'label com.docker.swarm.predefined is for internally created predefined networks and cannot be applied by users',
      ),
    ],
  ])('is refused with %s', async (_what, asked, status, message) => {
    await site.create('taken', config({ Subnet: '10.70.1.0/24' }));
    const before = site.view.networks.size;
    const answer = await site.ask('POST', '/networks/create', overlay('x', asked));
    expect(answer).toMatchObject({ status, json: { message } });
    expect(site.view.networks.size).toBe(before);
  });
});
