import type { Instant, LogIndex } from '@shoal/runtime';
import type { Node, Service } from '@shoal/state';
import { expect, test } from 'vitest';
import { swarmEvent } from './events.ts';

const at = 0 as Instant;
const meta = { version: 1 as LogIndex, createdAt: at, updatedAt: at };
const endpoint = { revision: 1, virtualIps: [], ports: [] };
const web: Service = { id: 's1', meta, name: 'web', revision: 2, endpoint };

const told = (after: Service) =>
  swarmEvent({ table: 'service', id: 's1', before: web, after }, at, () => undefined)?.Action;

test('that addresses are still the right ones is no event', () => {
  const later = { ...meta, version: 2 as LogIndex };
  const noted = { ...web, meta: later, endpoint: { ...endpoint, revision: 2 } };
  expect(told(noted)).toBeUndefined();
  const virtualIps = [{ networkId: 'n1', addr: '10.0.0.2/24' }];
  expect(told({ ...noted, endpoint: { ...noted.endpoint, virtualIps } })).toBe('update');
  expect(told({ ...noted, revision: 3 })).toBe('update');
  expect(told({ ...web, meta: later })).toBe('update');
});

test('how the load of a service stands is no event, and another number of tasks is', () => {
  const byLoad = { 'shoal.autoscale.max': '9', 'shoal.autoscale.cpu': '1' };
  const spec = {
    ...{ Name: 'web', Labels: byLoad, Mode: { Replicated: { Replicas: 2 } } },
    TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
  };
  const revision = { id: 's1.2', meta, serviceId: 's1', number: 2, spec };
  const scaling = { replicas: 4, changedAt: at, reason: 'busy' };
  const told = (before: Service, after: Service) =>
    swarmEvent({ table: 'service', id: 's1', before, after }, at, () => revision)?.Actor.Attributes;
  const scaled = { ...web, meta: { ...meta, version: 2 as LogIndex }, scaling };
  expect(told(web, scaled)).toEqual({ name: 'web', 'replicas.new': '4', 'replicas.old': '2' });
  const idle = { ...scaled, scaling: { ...scaling, fewer: { since: at, most: 3 } } };
  expect(told(scaled, idle)).toBeUndefined();
  expect(told(idle, scaled)).toBeUndefined();
  expect(told(scaled, { ...idle, revision: 3 })).toEqual({ name: 'web' });
  expect(told(web, { ...web, scaling: { ...scaling, replicas: 2 } })).toBeUndefined();
});

test('which images a node has is no event', () => {
  const description: Node['description'] = {
    Hostname: 'm1',
    Platform: { Architecture: 'amd64', OS: 'linux' },
    Resources: {},
    Engine: { EngineVersion: '20.10', Plugins: [] },
    Images: ['busybox:latest'],
  };
  const before: Node = {
    id: 'n1',
    meta,
    role: 'worker',
    description,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: 'd1' },
  };
  const said = (change: Partial<Node>) => {
    const after = { ...before, meta: { ...meta, version: 2 as LogIndex }, ...change };
    const applied = { table: 'node', id: 'n1', before, after } as const;
    return swarmEvent(applied, at, () => undefined)?.Actor.Attributes;
  };
  expect(said({ description: { ...description, Images: [] } })).toBeUndefined();
  expect(said({ description: { ...description, Images: undefined } })).toBeUndefined();
  const name = { name: 'm1' };
  expect(said({ description: { ...description, Images: [], Resources: { NanoCPUs: 1 } } })).toEqual(
    name,
  );
  expect(said({ status: { ...before.status, state: 'down' } })).toEqual({
    ...name,
    'state.new': 'down',
    'state.old': 'ready',
  });
});
