import type { Node } from '@shoal/state';
import { expect, test } from 'vitest';
import { reachedAt, vtepOf } from './vtep.ts';

const status: Node['status'] = { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' };
const description: NonNullable<Node['description']> = {
  Hostname: 'one',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '28', Plugins: [] },
};

test('tunnels end where the node is reached, unless it says otherwise', () => {
  expect(vtepOf(undefined)).toBe('');
  expect(vtepOf({ status })).toBe('10.0.0.1');
  expect(vtepOf({ status, description })).toBe('10.0.0.1');
  expect(vtepOf({ status, description: { ...description, DataPathAddr: '10.9.0.1' } })).toBe(
    '10.9.0.1',
  );
});

test('a node is reached where its user says, else where it is seen', () => {
  expect(reachedAt({ status, description })).toBe('10.0.0.1');
  expect(reachedAt({ status, description: { ...description, AdvertiseAddr: '10.0.0.7' } })).toBe(
    '10.0.0.7',
  );
});
