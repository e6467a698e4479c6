import fc from 'fast-check';
import { expect, test } from 'vitest';
import { distinctHosts, knowsAll, readDump, renderConfig } from './wireguard.ts';

const key = { privateKey: 'secret', publicKey: 'own' };
const host = (nodeId: string, vtep: string, port = 51_820) => ({
  nodeId,
  vtep,
  publicKey: `key of ${nodeId}`,
  port,
});
const hosts = [host('n1', '192.0.2.1'), host('n2', 'fd00::2', 7)];
const plan = { key, port: 51_820, hosts };

test('each host may send from its own tunnel end alone', () => {
  expect(renderConfig(plan)).toEqual([
    '[Interface]',
    'PrivateKey = secret',
    'ListenPort = 51820',
    '[Peer]',
    'PublicKey = key of n1',
    'Endpoint = 192.0.2.1:51820',
    'AllowedIPs = 192.0.2.1/32',
    '[Peer]',
    'PublicKey = key of n2',
    'Endpoint = [fd00::2]:7',
    'AllowedIPs = fd00::2/128',
  ]);
});

const dump = [
  ['secret', 'own', '51820', 'off'],
  ['key of n1', '(none)', '192.0.2.1:51820', '192.0.2.1/32', '0', '0', '0', 'off'],
  ['key of n2', '(none)', '(none)', 'fd00::2/128', '1795286400', '92', '180', 'off'],
];
const text = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.join('\t')}\n`).join('');

test('what the kernel tells is read, the private key apart', () => {
  const seen = readDump(text(dump));
  expect(JSON.stringify(seen)).not.toContain('secret');
  expect(seen?.peers.get('key of n2')).toBe('fd00::2/128');
  expect(seen !== undefined && knowsAll(seen, plan)).toBe(true);
});

test.each([
  ['another own key', [['secret', 'other', '51820', 'off'], ...dump.slice(1)]],
  ['another port', [['secret', 'own', '1', 'off'], ...dump.slice(1)]],
  ['a host less', dump.slice(0, 2)],
  ['a host more', [...dump, ['key of n3', '', '', '192.0.2.3/32', '0', '0', '0', 'off']]],
  ['another range', [...dump.slice(0, 2), ['key of n2', '', '', '::/0', '0', '0', '0', 'off']]],
])('%s is seen', (_what, rows) => {
  const seen = readDump(text(rows));
  expect(seen !== undefined && knowsAll(seen, plan)).toBe(false);
});

test('other texts are no dump', () => {
  for (const other of ['', 'Unable to access interface', text([['a', 'b', 'c', 'd'], ['e']])]) {
    expect(readDump(other)).toBeUndefined();
  }
});

test('a tunnel end is named once, whatever networks its host is in', () => {
  const any = fc.array(
    fc.array(
      fc.constantFrom(host('a', '192.0.2.1'), host('b', '192.0.2.2'), hosts[1] ?? host('', '')),
    ),
  );
  fc.assert(
    fc.property(any, (lists) => {
      const distinct = distinctHosts(lists);
      expect(new Set(distinct.map(({ vtep }) => vtep)).size).toBe(distinct.length);
      expect(new Set(distinct)).toEqual(new Set(lists.flat()));
      expect(distinctHosts([...lists].reverse())).toEqual(distinct);
    }),
  );
});
