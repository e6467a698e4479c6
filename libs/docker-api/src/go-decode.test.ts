import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { decoderOf, mismatch } from './go-decode.ts';
import { withGoKeys } from './go-keys.ts';
import { serviceSpecSchema } from './requests/service-spec.ts';

const spec = {
  Name: 'web',
  Labels: { Tier: 'front', tier: 'other' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'busybox',
      Env: ['A=1', null],
      Mounts: [
        { Type: 'tmpfs', Target: '/a', TmpfsOptions: { SizeBytes: 5, Options: [['noexec']] } },
      ],
      Secrets: [
        { File: { Name: 'f', UID: '0', GID: '0', Mode: 292 }, SecretID: 'i', SecretName: 's' },
      ],
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: null }],
      StopGracePeriod: 0,
      TTY: true,
    },
    Resources: {
      Limits: { NanoCPUs: 1e9 },
      Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] },
    },
    Placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.id' } }], MaxReplicas: 3 },
    Networks: [{ Target: 'front', Aliases: ['www'] }],
  },
  Mode: { Replicated: { Replicas: 3 } },
  UpdateConfig: { Parallelism: 2, MaxFailureRatio: 0.5 },
  EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
};

function bySchema(schema: z.ZodType, body: unknown): unknown {
  const parsed = schema.safeParse(withGoKeys(schema, body));
  return parsed.success ? parsed.data : mismatch;
}

/** The paths of all that is in a value, itself included. */
function pathsOf(value: unknown): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [[]];
  const inner = Object.entries(value).flatMap(([key, member]) =>
    pathsOf(member).map((path) => [key, ...path]),
  );
  return [[], ...inner];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  Reflect.set(copy, key, replaced(Reflect.get(value as object, key), rest, by));
  return copy;
}

test('a decoder gives what its schema gives, whatever stands wherever', () => {
  const strange = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(null, 0, -1, 1.5, '', [], {}, true, 2 ** 60),
    fc
      .constantFrom('Name', 'nAME', 'image', 'Mode', '__proto__', 'other')
      .map((key) => JSON.parse(`{"${key}":"a"}`)),
  );
  const change = fc.tuple(fc.constantFrom(...pathsOf(spec)), strange);
  fc.assert(
    fc.property(fc.array(change, { maxLength: 2 }), (changes) => {
      let body: unknown = spec;
      for (const [path, value] of changes)
        if (pathsOf(body).some((one) => one.join() === path.join()))
          body = replaced(body, path, value);
      const decoded = decoderOf(serviceSpecSchema)(body);
      // Left to the schema, which knows what such a member does to an object.
      if (decoded === mismatch && JSON.stringify(body).includes('__proto__')) return;
      expect(decoded).toEqual(bySchema(serviceSpecSchema, body));
    }),
    { numRuns: 300 },
  );
});

test('members that differ in case alone: the last one counts', () => {
  const body = JSON.parse('{"Name":"a","NAME":"b","name":null}');
  expect(decoderOf(serviceSpecSchema)(body)).toEqual(bySchema(serviceSpecSchema, body));
});
