import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Endpoint,
  type NetworkSpec,
  type ServiceSpec,
  State,
} from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { resolveNetwork, resolveService } from '../resolve.ts';
import { serviceShape } from './service.ts';

const at = 0 as Instant;
const meta = { version: 0 as LogIndex, createdAt: at, updatedAt: at };
let state: State;

function commit(...changes: Change[]): void {
  const index = (state.view.index + 1) as LogIndex;
  const [outcome] = state.applyTransactions(index, at, [
    { id: `t${index}`, actor: { kind: 'user', name: 'x' }, reason: 'x', decidedAt: index, changes },
  ]).outcomes;
  expect(outcome).toMatchObject({ kind: 'committed' });
}

function network(id: string, Name: string, more: Partial<NetworkSpec>): Change {
  const flags = { Internal: false, Attachable: false, Ingress: false, Predefined: false };
  const spec: NetworkSpec = {
    Name,
    Labels: {},
    Driver: 'overlay',
    Scope: 'swarm',
    ...flags,
    ...more,
  };
  return { op: 'create', table: 'network', object: { id, meta, spec } };
}

/** A service that is allocated as far as its endpoint says. */
function serve(more: Partial<ServiceSpec>, networks: readonly string[], endpoint: Endpoint): void {
  const ContainerSpec = { Image: 'a' };
  const Networks = networks.map((Target) => ({ Target }));
  const TaskTemplate = { ContainerSpec, ForceUpdate: 0, ...(networks.length > 0 && { Networks }) };
  const Mode = { Replicated: { Replicas: 1 } };
  const spec: ServiceSpec = { Name: 'web', Labels: {}, TaskTemplate, Mode, ...more };
  commit(
    {
      op: 'create',
      table: 'service',
      object: { id: 's1', meta, name: 'web', revision: 1, endpoint },
    },
    {
      op: 'create',
      table: 'revision',
      object: { id: 's1.1', meta, serviceId: 's1', number: 1, spec },
    },
  );
}

const shown = () => {
  const service = resolveService(state.view, 'web');
  const shape = serviceShape(state.view, service, { insertDefaults: false, status: false });
  return JSON.parse(JSON.stringify(shape.Endpoint)) as unknown;
};

beforeEach(() => {
  state = new State();
  commit(network('n1', 'front', {}), network('n2', 'host', { Driver: 'host', Predefined: true }));
  const front = state.view.networks.get('n1');
  if (front === undefined) throw new Error('no network');
  const subnets = [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 }];
  commit({ op: 'update', table: 'network', object: { ...front, allocation: { subnets, at } } });
});

const given = { revision: 1, ports: [], virtualIps: [] };
const vip = { EndpointSpec: { Mode: 'vip' } } as const;
const dnsrr = { EndpointSpec: { Mode: 'dnsrr' } } as const;

test.each([
  ['nothing to give', vip, [], given, { Spec: {} }],
  ['no addresses by names alone', dnsrr, ['n1'], given, { Spec: {} }],
  ['nothing given yet', vip, ['n2'], { ...given, revision: 0 }, { Spec: {} }],
  [
    'an address',
    vip,
    ['n1'],
    { ...given, virtualIps: [{ networkId: 'n1', addr: '10.0.1.2/24' }] },
    { Spec: { Mode: 'vip' }, VirtualIPs: [{ NetworkID: 'n1', Addr: '10.0.1.2/24' }] },
  ],
  [
    'the network of the hosts, without an address',
    vip,
    ['n2'],
    given,
    { Spec: { Mode: 'vip' }, VirtualIPs: [{ NetworkID: 'n2' }] },
  ],
  ['the network of the hosts by names alone', dnsrr, ['n2'], given, { Spec: {} }],
] as const)('an endpoint with %s', (_case, spec, networks, endpoint, expected) => {
  serve(spec, networks, endpoint);
  expect(shown()).toEqual(expected);
});

test('a name is known as it is written', () => {
  serve(vip, [], given);
  expect(() => resolveService(state.view, 'WEB')).toThrow('service WEB not found');
  expect(resolveNetwork(state.view, 'front').id).toBe('n1');
  expect(() => resolveNetwork(state.view, 'Front')).toThrow('network Front not found');
});
