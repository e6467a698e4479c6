import { expect, test } from 'vitest';
import { type ServiceSpec, sameTask } from './index.ts';
import { revision, spec } from './testing/objects.ts';

const template = spec('web').TaskTemplate;

function withContainer(overrides: object): Partial<ServiceSpec> {
  const ContainerSpec = { ...template.ContainerSpec, ...overrides };
  return { TaskTemplate: { ...template, ContainerSpec } };
}

const base = revision('web', 1, withContainer({ Labels: { a: '1', b: '2' }, Env: ['A=1', 'B=2'] }));

test.each<[string, Partial<ServiceSpec>]>([
  ['the same', withContainer({ Labels: { a: '1', b: '2' }, Env: ['A=1', 'B=2'] })],
  ['another order of keys', withContainer({ Env: ['A=1', 'B=2'], Labels: { b: '2', a: '1' } })],
  [
    'undefined members',
    withContainer({ Labels: { a: '1', b: '2' }, Env: ['A=1', 'B=2'], Dir: undefined }),
  ],
])('equal tasks: %s', (_case, overrides) => {
  expect(sameTask(base, revision('web', 2, overrides))).toBe(true);
});

test('scale, labels of the service, update settings and credentials do not matter', () => {
  const other = {
    ...revision('web', 2, {
      ...base.spec,
      Labels: { x: 'y' },
      Mode: { Replicated: { Replicas: 9 } },
      UpdateConfig: { Parallelism: 3 },
    }),
    registryAuth: { sealed: 'x' },
  };
  expect(sameTask(base, other)).toBe(true);
});

test.each<[string, Partial<ServiceSpec>]>([
  ['another order of a list', withContainer({ Labels: { a: '1', b: '2' }, Env: ['B=2', 'A=1'] })],
  ['another value', withContainer({ Labels: { a: '1', b: '3' }, Env: ['A=1', 'B=2'] })],
  ['one key more', withContainer({ Labels: { a: '1', b: '2', c: '' }, Env: ['A=1', 'B=2'] })],
  ['forced', { TaskTemplate: { ...base.spec.TaskTemplate, ForceUpdate: 1 } }],
  ['an endpoint', { ...base.spec, EndpointSpec: { Mode: 'dnsrr' } }],
])('different tasks: %s', (_case, overrides) => {
  const other = revision('web', 2, overrides);
  expect(sameTask(base, other)).toBe(false);
  expect(sameTask(other, base)).toBe(false);
});
