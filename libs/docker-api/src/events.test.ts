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
