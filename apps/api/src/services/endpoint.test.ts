import { type Endpoint, newMeta, type Revision, type ServiceSpec } from '@shoal/state';
import { expect, test } from 'vitest';
import { endpointAt, noEndpoint } from './endpoint.ts';

const port = { Protocol: 'tcp', PublishMode: 'ingress', TargetPort: 80 } as const;
const bare: ServiceSpec = {
  Name: 'web',
  Labels: {},
  TaskTemplate: { ContainerSpec: { Image: 'nginx' }, ForceUpdate: 0 },
  Mode: { Replicated: { Replicas: 1 } },
};
const published = { ...bare, EndpointSpec: { Mode: 'vip', Ports: [port] } } as const;
const attached = {
  ...bare,
  TaskTemplate: { ...bare.TaskTemplate, Networks: [{ Target: 'front' }] },
};
const given: Endpoint = { revision: 1, ports: [port], virtualIps: [] };
const addressed: Endpoint = {
  revision: 1,
  ports: [],
  virtualIps: [{ networkId: 'front', addr: '10.0.1.2/24' }],
};

test.each([
  { what: 'what needs nothing is as it is to be', spec: bare, endpoint: noEndpoint, stands: 2 },
  { what: 'ports are to be given', spec: published, endpoint: noEndpoint, stands: 0 },
  { what: 'so are addresses', spec: attached, endpoint: noEndpoint, stands: 0 },
  { what: 'ports are to be given back', spec: bare, endpoint: given, stands: 1 },
  { what: 'so are addresses', spec: bare, endpoint: addressed, stands: 1 },
])('$what', ({ spec, endpoint, stands }) => {
  const revision: Revision = {
    id: 'web.2',
    meta: newMeta,
    serviceId: 'web',
    number: 2,
    spec,
    registryAuth: undefined,
  };
  expect(endpointAt(endpoint, revision)).toEqual({ ...endpoint, revision: stands });
});
