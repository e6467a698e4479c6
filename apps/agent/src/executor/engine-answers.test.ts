import { expect, test } from 'vitest';
import { infoAnswer, readInfo } from './engine-answers.ts';

const info = {
  Name: 'host-1',
  OSType: 'linux',
  Architecture: 'x86_64',
  NCPU: 2,
  MemTotal: 1_000,
  ServerVersion: '20.10.24',
};

test.each([
  ['none', {}, undefined],
  ['null', { GenericResources: null }, undefined],
  [
    'named and counted',
    {
      GenericResources: [
        { NamedResourceSpec: { Kind: 'gpu', Value: 'one' } },
        { DiscreteResourceSpec: { Kind: 'ssd', Value: 3 } },
      ],
    },
    [
      { NamedResourceSpec: { Kind: 'gpu', Value: 'one' } },
      { DiscreteResourceSpec: { Kind: 'ssd', Value: 3 } },
    ],
  ],
])('generic resources of the engine: %s', (_what, more, generic) => {
  const { Resources } = readInfo(infoAnswer.parse({ ...info, ...more }));
  expect(Resources).toEqual({
    NanoCPUs: 2_000_000_000,
    MemoryBytes: 1_000,
    ...(generic === undefined ? {} : { GenericResources: generic }),
  });
});
