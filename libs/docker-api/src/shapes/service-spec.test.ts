import { expect, test } from 'vitest';
import { parseServiceSpec } from '../service/parse.ts';
import { maxVersion } from '../version.ts';
import { serviceSpecShape } from './service-spec.ts';

const shown = (template: object, container: object = {}, rest: object = {}) => {
  const ContainerSpec = { Image: 'busybox', ...container };
  const given = { Name: 'web', TaskTemplate: { ContainerSpec, ...template }, ...rest };
  const { spec } = parseServiceSpec(given, maxVersion);
  return JSON.parse(JSON.stringify(serviceSpecShape(spec, false)));
};

test('what is zero is left out where Docker leaves it out', () => {
  const Mounts = [{ Type: 'volume', Source: 'v' }];
  expect(shown({}, { Mounts }).TaskTemplate.ContainerSpec.Mounts).toEqual(Mounts);
  const generic = [
    { DiscreteResourceSpec: { Kind: 'gpu', Value: 0 } },
    { NamedResourceSpec: { Kind: 'disk' } },
    { DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } },
  ];
  const Reservations = { MemoryBytes: 8_388_608, GenericResources: generic };
  expect(shown({ Resources: { Reservations } }).TaskTemplate.Resources).toEqual({
    Reservations: {
      ...Reservations,
      GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu' } }, ...generic.slice(1)],
    },
  });
  expect(shown({ LogDriver: {} }).TaskTemplate.LogDriver).toEqual({});
  const Ports = [{ PublishedPort: 8080, Protocol: 'tcp', PublishMode: 'ingress' }];
  expect(shown({}, {}, { EndpointSpec: { Ports } }).EndpointSpec).toEqual({ Mode: 'vip', Ports });
});

test('and shown where Docker shows it', () => {
  const privileges = (given: object) =>
    shown({}, { Privileges: given }).TaskTemplate.ContainerSpec.Privileges;
  const unsaid = { User: '', Role: '', Type: '', Level: '' };
  expect(privileges({ SELinuxContext: {} }).SELinuxContext).toEqual({ Disable: false, ...unsaid });
  expect(privileges({ SELinuxContext: { Disable: true } }).SELinuxContext).toEqual({
    ...unsaid,
    Disable: true,
  });
  expect(privileges({ CredentialSpec: { File: 'a' } }).CredentialSpec).toEqual({
    Config: '',
    File: 'a',
    Registry: '',
  });
  expect(privileges({ NoNewPrivileges: true }).SELinuxContext).toBeNull();
});

test.each([
  ['Process', 'process'],
  ['hyperv', 'hyperv'],
  ['default', 'default'],
  ['none such', 'default'],
])('isolation %s is shown as %s', (Isolation, said) => {
  expect(shown({}, { Isolation }).TaskTemplate.ContainerSpec.Isolation).toBe(said);
});
