import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readProxyHeader } from '../testing/proxied.ts';
import { proxyHeader } from './proxy-header.ts';

const end = (address: string, port = 443) => ({ address, port });

test('a client of IPv4, also when its socket is of both families', () => {
  const bytes =
    '0d0a0d0a000d0a515549540a' + '21' + '11' + '000c' + 'c0000201' + 'c6336409' + 'd431' + '01bb';
  expect(proxyHeader(end('192.0.2.1', 54_321), end('198.51.100.9'))?.toString('hex')).toBe(bytes);
  const mapped = proxyHeader(end('::ffff:192.0.2.1', 54_321), end('::ffff:198.51.100.9'));
  expect(mapped?.toString('hex')).toBe(bytes);
});

test('a client of IPv6', () => {
  const header = proxyHeader(end('fe80::1%eth0', 1), end('2001:db8::2'));
  expect(header?.subarray(12, 16).toString('hex')).toBe('21210024');
  expect(header).toHaveLength(52);
  expect(header && readProxyHeader(header).client).toEqual({ address: 'fe80::1', port: 1 });
});

test.each([
  ['', '192.0.2.1'],
  ['192.0.2.1', '2001:db8::2'],
  ['nobody', 'nobody'],
])('%j and %j are no ends of one connection', (from, to) => {
  expect(proxyHeader(end(from), end(to))).toBeUndefined();
});

test('what is written is read, and what the client sent is left', () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const v6 = fc.ipV6().filter((text) => !text.includes('.'));
  const pair = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(v6, v6));
  fc.assert(
    fc.property(pair, port, port, fc.uint8Array(), ([from, to], one, other, sent) => {
      const header = proxyHeader(end(from, one), end(to, other));
      if (header === undefined) throw new Error(`no header for ${from}`);
      const { client, rest } = readProxyHeader(Buffer.concat([header, sent]));
      const same = from.includes(':') ? new URL(`http://[${from}]`).hostname.slice(1, -1) : from;
      expect(client).toEqual({ address: same, port: one });
      expect(rest).toEqual(Buffer.from(sent));
    }),
  );
});
