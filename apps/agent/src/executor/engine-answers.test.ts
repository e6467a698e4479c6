import { expect, test } from 'vitest';
import { swarmLabels } from './container-config.ts';
import { infoAnswer, listAnswer, readEvent, readInfo, readList } from './engine-answers.ts';

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

test.each([
  ['its own', ['/web.1.t'], true],
  ['its own among links', ['/proxy/web', '/web.1.t'], true],
  ['another', ['/my-debugging'], false],
  ['none', [], false],
  ['null', null, false],
])('whether a listed container has the name of its task: %s', (_what, Names, hasTaskName) => {
  const Labels = { [swarmLabels.taskId]: 't', [swarmLabels.taskName]: 'web.1.t' };
  const [container] = readList(
    listAnswer.parse([{ Id: 'c', Image: 'web-debug:1', State: 'running', Names, Labels }]),
  );
  expect(container).toMatchObject({ id: 'c', taskId: 't', state: 'running', hasTaskName });
});

test.each([
  ['start', { kind: 'started' }],
  ['die', { kind: 'died', exitCode: 137 }],
  ['destroy', { kind: 'removed' }],
  ['health_status: healthy', { kind: 'healthy' }],
  ['health_status: unhealthy', { kind: 'unhealthy' }],
  ['pause', undefined],
])('an event of a task: %s', (Action, event) => {
  const Attributes = { [swarmLabels.taskId]: 't', exitCode: '137' };
  const read = readEvent(JSON.stringify({ Action, Actor: { ID: 'c', Attributes } }));
  expect(read).toEqual(event && { taskId: 't', event: { ...event, containerId: 'c' } });
});
