import { describe, expect, test } from 'vitest';
import {
  attachedNetworks,
  formatCidr,
  type NetworkSpec,
  networkSpecFault,
  State,
  uniqueLocalRange,
  vniOption,
} from './index.ts';
import { commit } from './testing/bytes.ts';
import { attached, create, network, revision, transaction } from './testing/objects.ts';

type Configs = NonNullable<NonNullable<NetworkSpec['IPAM']>['Configs']>;

function asking(...Configs: Configs): NetworkSpec {
  return { ...network('w1').spec, IPAM: { Configs } };
}

describe('what a network asks for', () => {
  test.each<[string, NetworkSpec]>([
    ['nothing', network('w1').spec],
    ['a subnet', asking({ Subnet: '10.1.0.0/16' })],
    [
      'a range, a gateway and reserved addresses in it',
      asking({
        Subnet: '10.1.0.0/16',
        IPRange: '10.1.2.0/24',
        Gateway: '10.1.0.9',
        AuxAddresses: { a: '10.1.2.1' },
      }),
    ],
    ['both families', asking({ Subnet: '10.1.0.0/16' }, { Subnet: 'fd00::/64' })],
    ['the smallest subnet', asking({ Subnet: '10.1.0.0/30' })],
    ['VXLAN identifiers', { ...network('w1').spec, DriverOptions: { [vniOption]: '1, 16777215' } }],
  ])('may be %s', (_case, spec) => {
    expect(networkSpecFault(spec)).toBeUndefined();
  });

  test.each<[string, NetworkSpec]>([
    ['invalid subnet demo: it is no CIDR block', asking({ Subnet: 'demo' })],
    ['invalid subnet 10.1.0.1/16: it has host bits set', asking({ Subnet: '10.1.0.1/16' })],
    [
      'invalid subnet 10.1.0.0/31: it has no room for a gateway and an address',
      asking({ Subnet: '10.1.0.0/31' }),
    ],
    [
      'invalid IP range 10.2.0.0/24: it is not in subnet 10.1.0.0/16',
      asking({ Subnet: '10.1.0.0/16', IPRange: '10.2.0.0/24' }),
    ],
    [
      'invalid gateway 10.1.0.0: it is no host address of subnet 10.1.0.0/16',
      asking({ Subnet: '10.1.0.0/16', Gateway: '10.1.0.0' }),
    ],
    [
      'invalid auxiliary address a=fd00::1: it is no host address of subnet 10.1.0.0/16',
      asking({ Subnet: '10.1.0.0/16', AuxAddresses: { a: 'fd00::1' } }),
    ],
    [
      'an IP range, a gateway and auxiliary addresses need a subnet',
      asking({ Gateway: '10.1.0.1' }),
    ],
    ['a network has at most 64 subnets', asking(...Array.from({ length: 65 }, () => ({})))],
    [
      `${vniOption} is a list of numbers from 1 to 16777215, not 0`,
      { ...network('w1').spec, DriverOptions: { [vniOption]: '0' } },
    ],
    [
      `${vniOption} is a list of numbers from 1 to 16777215, not 5,x`,
      { ...network('w1').spec, DriverOptions: { [vniOption]: '5,x' } },
    ],
  ])('is refused: %s', (sentence, spec) => {
    expect(networkSpecFault(spec)).toBe(sentence);
  });
});

test('a cluster has its own range of unique local addresses', () => {
  expect(formatCidr(uniqueLocalRange('one'))).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/48$/);
  expect(uniqueLocalRange('one')).toEqual(uniqueLocalRange('one'));
  expect(uniqueLocalRange('one')).not.toEqual(uniqueLocalRange('two'));
});

test('a task joins the networks of its spec in order, the ingress network last', () => {
  const state = new State();
  const host = network('host');
  const mesh = network('mesh');
  commit(
    state,
    transaction('networks', [
      create('network', network('a')),
      create('network', network('b')),
      create('network', { ...host, spec: { ...host.spec, Predefined: true, Driver: 'host' } }),
      create('network', { ...mesh, spec: { ...mesh.spec, Ingress: true } }),
    ]),
  );
  const made = attached('web', 1, 'b', 'mesh', 'host', 'a', 'b', 'gone');
  const Ports = [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress' }] as const;
  const publishing = { ...made, spec: { ...made.spec, EndpointSpec: { Ports } } };
  expect(attachedNetworks(state.view, publishing)).toEqual(['b', 'a', 'gone', 'mesh']);
  expect(attachedNetworks(state.view, revision('web'))).toEqual([]);
});
