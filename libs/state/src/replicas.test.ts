import { expect, test } from 'vitest';
import type { ServiceScaling } from './objects.ts';
import { replicasOf, scaledReplicas } from './replicas.ts';
import type { ServiceMode } from './spec.ts';

const three: ServiceMode = { Replicated: { Replicas: 3 } };
const none: ServiceMode = { Replicated: { Replicas: 0 } };
const byLoad = { min: '2', max: '6', cpu: '50%' };
const stopped = { 'shoal.stopped': 'true' };

test.each<[ServiceMode, number | undefined, Record<string, string>, number | undefined]>([
  [three, undefined, {}, 3],
  [three, 5, {}, 3],
  [three, undefined, byLoad, 3],
  [three, 5, byLoad, 5],
  [three, 9, byLoad, 6],
  [three, 1, byLoad, 2],
  [three, undefined, { ...byLoad, min: '4' }, 4],
  [three, 5, { ...byLoad, mode: 'advise' }, 3],
  [three, 5, { ...byLoad, cpu: 'half' }, 3],
  [none, 5, byLoad, 0],
  [{ Global: {} }, undefined, {}, undefined],
])('%j, by load %s with %j', (Mode, replicas, labels, expected) => {
  const reason = 'load';
  const scaling: ServiceScaling | undefined =
    replicas === undefined ? undefined : { replicas, reason, changedAt: 0 as never };
  const Labels = Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [`shoal.autoscale.${name}`, value]),
  );
  const TaskTemplate = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 };
  const spec = { Mode, Labels, TaskTemplate };
  expect(replicasOf({ scaling }, spec)).toBe(expected);
  const resting = { ...spec, Labels: { ...Labels, ...stopped } };
  expect(replicasOf({ scaling }, resting)).toBe(expected === undefined ? undefined : 0);
  expect(scaledReplicas({ scaling }, resting)).toBe(expected);
});
