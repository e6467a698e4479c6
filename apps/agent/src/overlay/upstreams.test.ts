import { expect, test } from 'vitest';
import { containerNameservers, hostNameservers, upstream } from './upstreams.ts';

test.each([
  ['plain', ['nameserver 192.0.2.1\nnameserver 192.0.2.2\n'], ['192.0.2.1', '192.0.2.2']],
  [
    'with everything around it',
    ['# nameserver 1.1.1.1\nsearch a b\n nameserver\t192.0.2.1 # first\noptions ndots:1'],
    ['192.0.2.1'],
  ],
  ['three at most', ['1', '2', '3', '4'].map((at) => `nameserver 192.0.2.${at}`).join('\n'), 3],
  ['those of systemd-resolved', ['nameserver 127.0.0.53', 'nameserver 192.0.2.9'], ['192.0.2.9']],
  ['not those with a zone', ['nameserver fe80::1%eth0\nnameserver 2001:db8::1'], ['2001:db8::1']],
  ['none', ['', ''], []],
])('nameservers of the host: %s', (_what, files, expected) => {
  const found = hostNameservers(typeof files === 'string' ? [files] : files);
  if (typeof expected === 'number') expect(found).toHaveLength(expected);
  else expect(found).toEqual(expected);
});

test('a container asks the resolver first, then the user’s, else the host’s', () => {
  expect(containerNameservers('10.0.1.1', [], ['a', 'b', 'c'])).toEqual(['10.0.1.1', 'a', 'b']);
  expect(containerNameservers('10.0.1.1', ['u'], ['a'])).toEqual(['10.0.1.1', 'u']);
});

test('an upstream is an address with a port', () => {
  expect([upstream('192.0.2.1'), upstream('2001:db8::1')]).toEqual([
    '192.0.2.1:53',
    '[2001:db8::1]:53',
  ]);
});
