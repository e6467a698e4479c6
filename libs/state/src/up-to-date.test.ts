import type { Instant, LogIndex } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import type { Meta, Node, Revision } from './objects.ts';
import type { ServiceSpec, TaskTemplate } from './spec.ts';
import { meetsPlacement, taskAge } from './up-to-date.ts';

const meta: Meta = { version: 1 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
const template: TaskTemplate = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 };

function revision(number: number, change: Partial<ServiceSpec> = {}): Revision {
  const spec: ServiceSpec = {
    Name: 'web',
    Labels: {},
    TaskTemplate: template,
    Mode: { Replicated: { Replicas: 1 } },
    ...change,
  };
  return { id: `s.${number}`, meta, serviceId: 's', number, spec };
}

describe('a task beside the current revision', () => {
  const constrained = { ...template, Placement: { Constraints: ['node.labels.disk==ssd'] } };
  test.each<[string, Partial<ServiceSpec>, string]>([
    ['nothing changed', {}, 'current'],
    ['the scale changed', { Mode: { Replicated: { Replicas: 9 } } }, 'current'],
    ['a label of the service changed', { Labels: { a: 'b' } }, 'current'],
    ['an update setting changed', { UpdateConfig: { Parallelism: 3 } }, 'current'],
    ['only the placement changed', { TaskTemplate: constrained }, 'placement-differs'],
    ['the image changed', { TaskTemplate: { ...template, ContainerSpec: { Image: 'b' } } }, 'old'],
    ['the update was forced', { TaskTemplate: { ...template, ForceUpdate: 1 } }, 'old'],
    ['the endpoint changed', { EndpointSpec: { Mode: 'dnsrr' } }, 'old'],
  ])('%s', (_, change, age) => {
    expect(taskAge(revision(1), revision(2, change))).toBe(age);
  });

  test('its revision is gone', () => {
    expect(taskAge(undefined, revision(2))).toBe('old');
  });

  test('where only the placement differs, the node decides', () => {
    const node: Node = {
      id: 'n',
      meta,
      spec: { Labels: { disk: 'ssd' }, Role: 'worker', Availability: 'active' },
      role: 'worker',
      status: { state: 'ready', message: '', addr: '', dispatcher: '' },
    };
    const current = revision(2, { TaskTemplate: constrained });
    expect(meetsPlacement(node, current)).toBe(true);
    expect(meetsPlacement({ ...node, spec: { ...node.spec, Labels: {} } }, current)).toBe(false);
    expect(meetsPlacement(undefined, current)).toBe(false);
  });
});
