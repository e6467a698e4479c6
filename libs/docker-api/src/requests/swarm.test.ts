import { describe, expect, test } from 'vitest';
import {
  clusterDefaults,
  mergeClusterSpec,
  parseSwarmInit,
  parseSwarmJoin,
  parseSwarmUpdate,
} from './swarm.ts';

const listen = { ListenAddr: '0.0.0.0:2377' };

describe('init', () => {
  test('autolock is asked for in either place', () => {
    const locks = (body: object) =>
      parseSwarmInit({ ...listen, ...body }).spec.EncryptionConfig.AutoLockManagers;
    expect(locks({})).toBe(false);
    expect(locks({ AutoLockManagers: true })).toBe(true);
    expect(locks({ Spec: { EncryptionConfig: { AutoLockManagers: true } } })).toBe(true);
  });

  test('what is left out stays as it is in a cluster that exists', () => {
    const { requested } = parseSwarmInit({
      ...listen,
      ForceNewCluster: true,
      Spec: { Raft: { SnapshotInterval: 7 } },
    });
    const base = {
      ...clusterDefaults,
      Labels: { a: 'b' },
      CAConfig: { NodeCertExpiry: 4e12, ForceRotate: 3 },
      EncryptionConfig: { AutoLockManagers: true },
    };
    expect(mergeClusterSpec(base, requested)).toEqual({
      ...base,
      Raft: { ...base.Raft, SnapshotInterval: 7 },
    });
  });
});

test('older clients cannot ask for what came later', () => {
  const body = {
    ...listen,
    DataPathPort: 5_000,
    DefaultAddrPool: ['10.20.0.0/16'],
    SubnetSize: 26,
  };
  const at = (minor: number) => {
    const { dataPathPort, defaultAddressPool, subnetSize } = parseSwarmInit(body, {
      major: 1,
      minor,
    });
    return { dataPathPort, defaultAddressPool, subnetSize };
  };
  const defaults = { dataPathPort: 4_789, defaultAddressPool: [], subnetSize: 24 };
  expect(at(38)).toEqual(defaults);
  expect(at(39)).toEqual({ ...defaults, defaultAddressPool: ['10.20.0.0/16'], subnetSize: 26 });
  expect(at(40)).toMatchObject({ dataPathPort: 5_000 });
});

describe('address pools', () => {
  const init = (DefaultAddrPool: readonly string[], SubnetSize?: number) =>
    parseSwarmInit({ ...listen, DefaultAddrPool, SubnetSize });

  test('are kept as they were asked for', () => {
    expect(init(['10.30.0.0/16', 'fd00:30::/48'], 26)).toMatchObject({
      defaultAddressPool: ['10.30.0.0/16', 'fd00:30::/48'],
      subnetSize: 26,
    });
    expect(init([])).toMatchObject({ defaultAddressPool: [], subnetSize: 24 });
  });

  test.each<[readonly string[], number, string]>([
    [['nonsense'], 24, 'invalid CIDR address: nonsense'],
    [['10.0.0.0/33'], 24, 'invalid CIDR address: 10.0.0.0/33'],
    [['10.0.0.0/16'], 8, 'invalid CIDR: "10.0.0.0/16". Subnet size is too small for pool: 8'],
    [['fd00::/96'], 24, 'invalid CIDR: "fd00::/96". Subnet size is too small for pool: 64'],
    [['10.0.0.0/8'], 33, 'subnet size is out of range: 33'],
    [
      ['10.0.0.0/8', '10.9.0.0/16'],
      24,
      'default address pool 10.9.0.0/16 overlaps with 10.0.0.0/8',
    ],
  ])('%j in /%i are refused', (pools, size, message) => {
    expect(() => init(pools, size)).toThrow(expect.objectContaining({ status: 500, message }));
  });
});

describe('join', () => {
  const join = (...RemoteAddrs: string[]) => parseSwarmJoin({ ...listen, RemoteAddrs });

  test.each([
    ['10.0.0.1', '10.0.0.1:2377'],
    ['10.0.0.1:4000', '10.0.0.1:4000'],
    ['manager-1', 'manager-1:2377'],
    ['fd00::1', '[fd00::1]:2377'],
    ['[fd00::1]:99', '[fd00::1]:99'],
  ])('%s', (text, address) => {
    expect(join(text).remoteAddrs).toEqual([address]);
  });

  test.each(['http://10.0.0.1', 'a b', '10.0.0.1:99999'])('%s is nobody to ask', (text) => {
    expect(() => join(text)).toThrow(`invalid remoteAddress ${JSON.stringify(text)}`);
  });

  test('somebody must be asked', () => {
    expect(() => join()).toThrow('at least 1 RemoteAddr is required to join');
    expect(() => parseSwarmJoin({ RemoteAddrs: ['a'] })).toThrow('invalid ListenAddr ""');
  });
});

describe('update', () => {
  test('a root to sign with comes apart from the spec, which is shown', () => {
    const CAConfig = { SigningCACert: 'cert', SigningCAKey: 'secret', ForceRotate: 2 };
    const { spec, signingCa } = parseSwarmUpdate({ Name: 'default', CAConfig });
    expect(signingCa).toEqual({ certificate: 'cert', key: 'secret' });
    expect(JSON.stringify(spec)).not.toMatch(/secret|Signing/);
    expect(spec.CAConfig.ForceRotate).toBe(2);
    expect(() => parseSwarmUpdate({ CAConfig: { SigningCAKey: 'x' } })).toThrow(
      'if a signing CA key is provided, the signing CA cert must also be provided',
    );
  });

  test('external authorities', () => {
    const update = (ca: object) =>
      parseSwarmUpdate({ CAConfig: { ExternalCAs: [ca] } }).spec.CAConfig.ExternalCAs;
    expect(update({ Protocol: 'CFSSL', URL: 'https://ca/sign' })).toEqual([
      { Protocol: 'cfssl', URL: 'https://ca/sign' },
    ]);
    expect(() => update({ Protocol: 'acme', URL: 'x' })).toThrow('invalid protocol: "acme"');
    expect(() => update({ Protocol: 'cfssl' })).toThrow('needs its URL');
  });

  test('periods', () => {
    expect(() => parseSwarmUpdate({ CAConfig: { NodeCertExpiry: 60e9 } })).toThrow(
      'minimum certificate expiry time is: 1h0m0s',
    );
    expect(() => parseSwarmUpdate({ Dispatcher: { HeartbeatPeriod: -1 } })).toThrow(
      'heartbeat time period cannot be a negative duration',
    );
  });
});
