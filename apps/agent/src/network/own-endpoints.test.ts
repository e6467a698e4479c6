import type { EndpointRecord, TaskAssignment } from '@shoal/state';
import { expect, test } from 'vitest';
import { sampleNode } from '../testing/sample-task.ts';
import { OwnEndpoints } from './own-endpoints.ts';

const record = (service: Partial<NonNullable<EndpointRecord['service']>> = {}): EndpointRecord => ({
  ...{ networkId: 'n', endpointId: 't', kind: 'task', nodeId: 'h', vtep: '192.0.2.1' },
  ...{ addresses: ['10.0.0.5'], name: 'web.1.t', containerAliases: [], slot: 1, serving: false },
  service: {
    ...{ id: 's', name: 'web', aliases: [], mode: 'vip', virtualIps: [] },
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
    ...service,
  },
});

function assignment(of: EndpointRecord): TaskAssignment {
  return {
    ...{ taskId: 't', serviceId: 's', serviceName: 'web', serviceLabels: {}, slot: 1 },
    ...{ nodeId: 'h', desired: 'running', hostPorts: [], localNetworks: [] },
    template: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
    networks: [{ networkId: 'n', addresses: ['10.0.0.5/24'], driverOptions: {}, record: of }],
  };
}

function joined(of: EndpointRecord): OwnEndpoints {
  const own = new OwnEndpoints();
  own.join(assignment(of), 'container', sampleNode, true);
  return own;
}
const sources = (own: OwnEndpoints) =>
  own.records('t').map(({ service }) => service?.sourceAddress);

test('a task whose replies find no way back hides its clients, on every host', () => {
  const own = joined(record());
  expect(own.setUnsteered(new Set(['t', 'other']))).toEqual(['t']);
  expect(sources(own)).toEqual(['masquerade']);
  expect(own.setUnsteered(new Set(['t']))).toEqual([]);
  expect(own.setUnsteered(new Set())).toEqual(['t']);
  expect(sources(own)).toEqual([undefined]);
});

test('so does one that comes after its balancer knows', () => {
  const own = new OwnEndpoints();
  expect(own.setUnsteered(new Set(['t']))).toEqual([]);
  own.join(assignment(record()), 'container', sampleNode, true);
  expect(sources(own)).toEqual(['masquerade']);
});

test('what its service asks for counts, and a network without published ports has no such clients', () => {
  const asked = joined(record({ sourceAddress: 'proxy-protocol' }));
  asked.setUnsteered(new Set(['t']));
  expect(sources(asked)).toEqual(['proxy-protocol']);
  const inner = joined(record({ ports: [] }));
  inner.setUnsteered(new Set(['t']));
  expect(sources(inner)).toEqual([undefined]);
});

test.each([
  { hostname: undefined, aliases: [] },
  { hostname: '', aliases: [] },
  { hostname: 'web-host', aliases: ['web-host'] },
  { hostname: 'web-{{.Task.Slot}}', aliases: ['web-1'] },
  { hostname: '{{.Node.Hostname}}-{{.Service.Name}}', aliases: ['host-web'] },
  { hostname: '{{.Nobody}}', aliases: [] },
])('is found by the host name that its container has: $hostname', ({ hostname, aliases }) => {
  const own = new OwnEndpoints();
  const Hostname = hostname === undefined ? {} : { Hostname: hostname };
  const template = { ContainerSpec: { Image: 'i', ...Hostname }, ForceUpdate: 0 };
  own.join({ ...assignment(record()), template }, '0123456789abcdef', sampleNode, true);
  expect(own.records('t').map(({ containerAliases }) => containerAliases)).toEqual([
    ['0123456789ab', ...aliases],
  ]);
});
