import { describe, expect, test } from 'vitest';
import { containerCall, isReachable, pathOf } from './container-calls.ts';

describe('a path', () => {
  test.each([
    ['/containers/web.1/logs?follow=1', 'container', 'web.1', 'logs', '?follow=1'],
    ['/containers/abc', 'container', 'abc', '', ''],
    ['/v1.43/containers/abc/json', 'container', 'abc', 'json', ''],
    ['/containers/%2Fweb.1/json', 'container', '/web.1', 'json', ''],
    ['/containers/%zz/json', 'container', '%zz', 'json', ''],
    ['/containers/x/attach/ws', 'container', 'x', 'attach/ws', ''],
    ['/containers/create/json', 'container', 'create', 'json', ''],
    ['/exec/0a1b/start', 'exec', '0a1b', 'start', ''],
  ] as const)('%s names one', (path, of, reference, action, query) => {
    expect(containerCall(path)).toMatchObject({ of, reference, action, query });
  });

  test.each([
    '/containers/json?all=1',
    '/containers/create',
    '/containers',
    '/exec',
    '/images/x/json',
  ])('%s names none', (path) => {
    expect(containerCall(path)).toBeUndefined();
  });

  test('is made anew for another id', () => {
    const call = containerCall('/v1.43/containers/web.1/archive?path=%2Ftmp');
    expect(call && pathOf(call, 'a b')).toBe('/v1.43/containers/a%20b/archive?path=%2Ftmp');
    expect(pathOf({ of: 'exec', version: '', reference: 'x', action: '', query: '' }, 'y')).toBe(
      '/exec/y',
    );
  });
});

test('what changes the life of a container is not for other hosts', () => {
  const reach = (method: string, path: string): boolean => {
    const call = containerCall(path);
    return call !== undefined && isReachable(method, call);
  };
  expect(reach('GET', '/containers/x/json')).toBe(true);
  expect(reach('HEAD', '/containers/x/archive')).toBe(true);
  expect(reach('POST', '/exec/x/resize')).toBe(true);
  for (const action of ['start', 'stop', 'kill', 'restart', 'pause', 'update', 'rename'])
    expect(reach('POST', `/containers/x/${action}`)).toBe(false);
  expect(reach('DELETE', '/containers/x')).toBe(false);
  expect(reach('GET', '/containers/x/attach/ws')).toBe(false);
  expect(reach('DELETE', '/containers/x/logs')).toBe(false);
});
