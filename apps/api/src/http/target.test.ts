import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { takeOriginForm } from './target.ts';

test.each([
  ['http://localhost/v1.41/services', '/v1.41/services'],
  ['HTTPS://shoal:2376/info?a=http://b/c', '/info?a=http://b/c'],
  ['http://localhost', '/'],
  ['http://localhost?all=1', '/?all=1'],
  ['/containers/http://web/json', '/containers/http://web/json'],
  ['//v1.41/services', '//v1.41/services'],
  ['/', '/'],
  ['*', '*'],
])('%s asks for %s', (url, path) => {
  const request = { url } as IncomingMessage;
  takeOriginForm(request);
  expect(request.url).toBe(path);
});
