import type { Identity } from '@shoal/pki';
import { describe, expect, test } from 'vitest';
import { movedTo, namedPlaces } from './advertised.ts';

const identity: Identity = {
  clusterId: 'c',
  nodeId: 'w',
  role: 'worker',
  voterId: 0,
  advertiseAddr: '10.0.0.2',
  listenAddr: '',
  logAddr: '',
  dispatcherAddr: '',
  managers: [],
  caCertificate: '',
  certificate: '',
  key: '',
  logKeys: [],
};
const follows = { ...identity, advertiseNamed: false };

function seenAt(addr: string) {
  return { status: { state: 'ready', message: '', addr, dispatcher: '' } as const };
}

describe('where a worker is reached whose address has changed', () => {
  test.each<[string, Identity, string, string | undefined]>([
    ['where the managers see it', follows, '10.0.0.9', '10.0.0.9'],
    ['nowhere else while nothing changed', follows, '10.0.0.2', undefined],
    ['nowhere else before it was seen', follows, '', undefined],
    ['not behind translation', follows, '203.0.113.7', undefined],
    ['as its user says', { ...identity, advertiseNamed: true }, '10.0.0.9', undefined],
    ['as before where nobody noted that', identity, '10.0.0.9', undefined],
    ['as the log says of managers', { ...follows, role: 'manager' }, '10.0.0.9', undefined],
  ])('%s', (_what, of, seen, expected) => {
    expect(movedTo(of, seenAt(seen), (address) => address === '10.0.0.9')).toBe(expected);
  });

  test.each(['10.0.0.2', '10.0.0.9'])('not while it still has the old one: seen at %s', (seen) => {
    expect(movedTo(follows, seenAt(seen), () => true)).toBeUndefined();
  });
});

test('a node says what its user named, and nothing else', () => {
  expect(namedPlaces(identity)).toEqual({});
  expect(namedPlaces(follows)).toEqual({});
  const named = { ...identity, advertiseNamed: true, dataPathAddr: '10.9.0.1' };
  expect(namedPlaces(named)).toEqual({ AdvertiseAddr: '10.0.0.2', DataPathAddr: '10.9.0.1' });
});
