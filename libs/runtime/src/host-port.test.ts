import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatHostPort, isLoopback, parseHostPort } from './host-port.ts';

test('either family is parsed, and written as it was read', () => {
  expect(parseHostPort('127.0.0.1:2377')).toEqual({ host: '127.0.0.1', port: 2377 });
  expect(parseHostPort('manager-1:0')).toEqual({ host: 'manager-1', port: 0 });
  expect(parseHostPort('[fd00::1]:2377')).toEqual({ host: 'fd00::1', port: 2377 });
  expect(parseHostPort('[fe80::1%eth0]:53')).toEqual({ host: 'fe80::1%eth0', port: 53 });
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
      fc.integer({ min: 0, max: 65_535 }),
      (host, port) => {
        const parsed = parseHostPort(formatHostPort({ host, port }));
        return parsed?.host === host && parsed.port === port;
      },
    ),
  );
});

test.each([
  '',
  ':',
  ':80',
  'host',
  'host:',
  'host:65536',
  'fd00::1:80',
  'a b:1',
  'http://a:1',
  'a:-1',
  '[fe80::1%]:53',
  '[eth0]:53',
])('%j is neither', (text) => {
  expect(parseHostPort(text)).toBeUndefined();
});

test.each([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.127.0.0', false],
  ['127.0.0.1.example.org', false],
])('%s is of this host alone: %s', (host, isIt) => {
  expect(isLoopback(host)).toBe(isIt);
});
