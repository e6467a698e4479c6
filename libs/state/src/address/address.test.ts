import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  canonical,
  contains,
  containsRange,
  familyOf,
  formatAddress,
  formatCidr,
  hostsOf,
  isNetwork,
  macOf,
  networkOf,
  nth,
  overlaps,
  parseAddress,
  parseCidr,
  rangeOf,
  sizeOf,
} from '../index.ts';

const addresses = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
);

function cidr(text: string) {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no CIDR`);
  return parsed;
}

describe('an address', () => {
  test('comes back from its text, which is canonical', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        const text = formatAddress(address);
        expect(parseAddress(text)).toEqual(address);
        expect(canonical(text)).toBe(text);
        expect(familyOf(text)).toBe(address.family);
      }),
    );
  });

  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['fd00:0:0:1::5', 'fd00:0:0:1::5'],
    ['::', '::'],
    ['10.0.1.5/24', '10.0.1.5/24'],
    ['FD01::/64', 'fd01::/64'],
  ])('%s is %s in canonical text', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each([
    '',
    'a',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '0x0a000001',
    '167772161',
    '10.0.0.1 ',
    'fe80::1%eth0',
    '1::2::3',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/024',
    '10.0.0.0/',
    '10.0.0.0/8/8',
  ])('%o is none', (text) => {
    expect(canonical(text)).toBeUndefined();
    expect(parseCidr(text)).toBeUndefined();
    expect(macOf(text)).toBeUndefined();
  });
});

describe('a block', () => {
  test.each([
    ['10.0.1.0/24', 256n, '10.0.1.1', '10.0.1.254'],
    ['10.0.1.0/30', 4n, '10.0.1.1', '10.0.1.2'],
    ['10.0.1.4/31', 2n, '10.0.1.4', '10.0.1.5'],
    ['10.0.1.9/32', 1n, '10.0.1.9', '10.0.1.9'],
    ['0.0.0.0/0', 2n ** 32n, '0.0.0.1', '255.255.255.254'],
    ['fd00::/64', 2n ** 64n, 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'],
  ])('%s has %s addresses, hosts from %s to %s', (text, size, first, last) => {
    const hosts = hostsOf(cidr(text));
    expect(sizeOf(rangeOf(cidr(text)))).toBe(size);
    expect(formatAddress({ family: hosts.family, value: hosts.first })).toBe(first);
    expect(formatAddress({ family: hosts.family, value: hosts.last })).toBe(last);
  });

  test('contains what lies between its ends', () => {
    fc.assert(
      fc.property(addresses, fc.nat(128), addresses, (address, bits, other) => {
        const block = { address, prefix: bits % (address.family === 4 ? 33 : 129) };
        const range = rangeOf(block);
        expect(contains(range, address)).toBe(true);
        expect(networkOf(block).address.value).toBe(range.first);
        expect(isNetwork(networkOf(block))).toBe(true);
        expect(isNetwork(block)).toBe(address.value === range.first);
        const single = { family: other.family, first: other.value, last: other.value };
        expect(overlaps(range, single)).toBe(contains(range, other));
        expect(containsRange(range, single)).toBe(contains(range, other));
        expect(parseCidr(formatCidr(block))).toEqual(block);
      }),
    );
  });

  test('counts its addresses from 0', () => {
    const range = rangeOf(cidr('10.0.1.0/30'));
    const texts = [0n, 3n].map((n) => formatAddress(nth(range, n) ?? range0));
    expect(texts).toEqual(['10.0.1.0', '10.0.1.3']);
    expect([nth(range, 4n), nth(range, -1n)]).toEqual([undefined, undefined]);
  });
});

const range0 = { family: 4, value: 0n } as const;

describe('a hardware address', () => {
  test('has the bytes of IPv4', () => {
    expect(macOf('10.0.1.5')).toBe('02:42:0a:00:01:05');
  });

  test('is made from IPv6 alike on every host, and is local and of one station', () => {
    expect(macOf('fd00::5')).toBe(macOf('FD00:0:0::5'));
    expect(macOf('fd00::5')).toMatchInlineSnapshot(`"02:b1:98:02:63:17"`);
    const many = new Set(
      Array.from({ length: 5_000 }, (_, at) => macOf(`fd00::${at.toString(16)}`)),
    );
    expect(many.size).toBe(5_000);
    for (const mac of many) expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  });
});
