import type { Instant, LogIndex } from '@shoal/runtime';
import type { Service } from '@shoal/state';
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
