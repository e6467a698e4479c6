import { expect, test } from 'vitest';
import { keyIn, routeOf } from './route.ts';

const id = 'co55os75vi1ls9fq6k2udyk4v';

test.each([
  ['', { kind: 'overview' }],
  ['#/', { kind: 'overview' }],
  ['#/services', { kind: 'services' }],
  [`#/service/${id}`, { kind: 'service', id }],
  [`#/node/${id}`, { kind: 'node', id }],
  ['#/service/../../swarm', { kind: 'overview' }],
  [`#/services/${id}`, { kind: 'overview' }],
  ['#/constructor', { kind: 'overview' }],
])('%s', (hash, route) => {
  expect(routeOf(hash)).toEqual(route);
});

test('an address with a key is told from others', () => {
  expect(keyIn('#key=a-_9')).toBe('a-_9');
  expect(keyIn('#key=')).toBeUndefined();
  expect(keyIn('#/services')).toBeUndefined();
});
