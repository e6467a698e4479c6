import { describe, expect, test } from 'vitest';
import {
  type HostNetwork,
  reachedLocally,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
} from './addresses.ts';

const one = (name: string, ...addresses: string[]) => ({
  name,
  addresses: addresses.map((address) => ({ address, internal: name === 'lo' })),
});
const plain: HostNetwork = {
  interfaces: [
    one('lo', '127.0.0.1'),
    one('eth0', '10.0.0.5', 'fe80::1'),
    one('docker0', '172.17.0.1'),
  ],
  defaultInterface: 'eth0',
};
const everywhere = { host: '0.0.0.0', port: 2_377 };

describe('where to listen', () => {
  test.each([
    ['0.0.0.0:2377', '0.0.0.0', 2377],
    ['10.0.0.5', '10.0.0.5', 2377],
    ['eth0:4000', '10.0.0.5', 4000],
    ['[::1]:5', '::1', 5],
  ])('%s', (text, host, port) => {
    expect(resolveListen(text, plain)).toEqual({ host, port });
  });

  test('neither address nor interface', () => {
    expect(() => resolveListen('foo:2377', plain)).toThrow(
      'listen address must be an IP address or network interface (with optional port number)',
    );
  });
});

describe('what to advertise', () => {
  test.each([
    ['', '10.0.0.5', 4_000],
    ['eth0', '10.0.0.5', 4_000],
    ['eth0:99', '10.0.0.5', 99],
    ['192.0.2.1', '192.0.2.1', 4_000],
    ['192.0.2.1:99', '192.0.2.1', 99],
    ['[fd00::1]:99', 'fd00::1', 99],
  ])('"%s", listening on another port', (text, address, port) => {
    const listen = { ...everywhere, port: 4_000 };
    expect(resolveAdvertise(text, listen, plain)).toEqual({ address, port, others: [] });
  });

  test('what is listened on, when that is one address', () => {
    const listen = { host: '10.1.1.1', port: 1 };
    expect(resolveAdvertise('', listen, plain)).toMatchObject({ address: '10.1.1.1', port: 1 });
  });

  test.each(['999.1.1.1', 'nope0', '0.0.0.0', '10.0.0.5:0'])(
    '%s is nothing to advertise',
    (text) => {
      expect(() => resolveAdvertise(text, everywhere, plain)).toThrow(
        'advertise address must be a non-zero IP address or network interface (with optional port number)',
      );
    },
  );

  test('the default route chooses among several, and the others are named', () => {
    const many = {
      interfaces: [
        one('eth1', '10.1.0.5'),
        one('eth0', '10.0.0.5', '10.0.0.6', 'fd00::5'),
        one('docker0', '172.17.0.1'),
      ],
      defaultInterface: 'eth0',
    };
    expect(resolveAdvertise('', everywhere, many)).toEqual({
      address: '10.0.0.5',
      port: 2_377,
      others: ['10.1.0.5', '10.0.0.6'],
    });
  });

  test('a choice that only the user can make: there is no default route', () => {
    const many = { interfaces: [one('eth0', '10.0.0.5', '10.0.0.6')], defaultInterface: undefined };
    expect(() => resolveAdvertise('', everywhere, many)).toThrow(
      'could not choose an IP address to advertise since this system has multiple addresses on interface eth0 (10.0.0.5 and 10.0.0.6)',
    );
    const two = {
      interfaces: [one('eth0', '10.0.0.5'), one('eth1', '10.1.0.5')],
      defaultInterface: undefined,
    };
    expect(() => resolveAdvertise('', everywhere, two)).toThrow(
      'on different interfaces (10.0.0.5 on eth0 and 10.1.0.5 on eth1)',
    );
    const none = { interfaces: [one('lo', '127.0.0.1')], defaultInterface: undefined };
    expect(() => resolveAdvertise('', everywhere, none)).toThrow(
      "could not find the system's IP address",
    );
  });
});

describe('where the tunnels end', () => {
  test.each([
    ['', undefined],
    ['10.9.9.9', '10.9.9.9'],
    ['FD00:0::9', 'fd00::9'],
    ['eth0', '10.0.0.5'],
  ])('"%s"', (text, address) => {
    expect(resolveDataPath(text, undefined, plain)).toBe(address);
  });

  test.each([
    ['', '10.0.0.5', '10.0.0.5'],
    ['', 'FE80::1', 'fe80::1'],
    ['', '203.0.113.7', undefined],
    ['10.9.9.9', '10.0.0.5', '10.9.9.9'],
  ])('"%s", with %s advertised', (text, advertised, address) => {
    expect(resolveDataPath(text, advertised, plain)).toBe(address);
  });

  test.each(['nope0', '0.0.0.0', '::', '10.0.0.1:4789'])('%s is no place for that', (text) => {
    expect(() => resolveDataPath(text, undefined, plain)).toThrow(
      'data path address must be a non-zero IP address or network interface (without a port number)',
    );
  });
});

test('how this host reaches itself', () => {
  expect(reachedLocally(everywhere)).toBe('127.0.0.1:2377');
  expect(reachedLocally({ host: '::', port: 1 })).toBe('[::1]:1');
  expect(reachedLocally({ host: '10.0.0.5', port: 1 })).toBe('10.0.0.5:1');
});
