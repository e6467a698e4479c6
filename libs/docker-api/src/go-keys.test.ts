import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withGoKeys } from './go-keys.ts';
import { serviceSpecSchema } from './requests/service-spec.ts';
import { parseServiceSpec } from './service/parse.ts';
import { maxVersion } from './version.ts';

const spec = {
  Name: 'web',
  Labels: { Tier: 'front', tier: 'other' },
  TaskTemplate: {
    ContainerSpec: { Image: 'busybox', Mounts: [{ Type: 'tmpfs', Target: '/a' }], TTY: true },
    Networks: [{ Target: 'front', Aliases: ['www'] }],
  },
  Mode: { Replicated: { Replicas: 3 } },
  EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
};

describe('members are taken by their names in any case', () => {
  test('as docker-py writes the mode of a service', () => {
    const sent = { ...spec, Mode: { replicated: { Replicas: 3 } } };
    expect(parseServiceSpec(sent, maxVersion)).toEqual(parseServiceSpec(spec, maxVersion));
    const everywhere = { ...spec, Mode: { global: {} } };
    expect(parseServiceSpec(everywhere, maxVersion)).toEqual(
      parseServiceSpec({ ...spec, Mode: { Global: {} } }, maxVersion),
    );
  });

  test('at every depth, but not in maps', () => {
    const recased = (value: unknown, cased: () => boolean, isMap = false): unknown => {
      if (Array.isArray(value)) return value.map((item) => recased(item, cased));
      if (value === null || typeof value !== 'object') return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, member]) => [
          isMap || cased() ? key : key.toLowerCase(),
          recased(member, cased, key === 'Labels'),
        ]),
      );
    };
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), (choices) => {
        const sent = recased(spec, () => choices.next().value === true);
        expect(withGoKeys(serviceSpecSchema, sent)).toEqual(spec);
      }),
      { numRuns: 100 },
    );
  });

  test('what the schema does not know stays, and so does what is no object', () => {
    expect(withGoKeys(serviceSpecSchema, { other: 1, name: 'a' })).toEqual({ other: 1, Name: 'a' });
    expect(withGoKeys(serviceSpecSchema, [1])).toEqual([1]);
    expect(withGoKeys(serviceSpecSchema, null)).toBe(null);
  });
});
