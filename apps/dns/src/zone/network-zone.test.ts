// A zone that was kept up to date by differences answers as one that is made anew.
import { HostTables } from '@shoal/overlay';
import type { EndpointRecord } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostNetwork, service, task } from '../testing/records.ts';
import { NetworkZone } from './network-zone.ts';

const services = [
  service('web', { aliases: ['front'], virtualIps: ['10.0.1.100'] }),
  service('web', { aliases: ['other'], virtualIps: ['10.0.1.100'] }),
  service('db', { mode: 'dnsrr', aliases: ['front'] }),
  undefined,
];
const hosts = ['web', 'db', 'h1'];
const names = [
  'web',
  'front',
  'other',
  'db',
  'h1',
  'tasks.web',
  'tasks.front',
  'tasks.db',
  '1.web',
  '2.db',
];

const record: fc.Arbitrary<EndpointRecord> = fc
  .record({
    id: fc.nat({ max: 6 }),
    of: fc.constantFrom(...services),
    slot: fc.integer({ min: 1, max: 2 }),
    host: fc.constantFrom(...hosts),
    address: fc.nat({ max: 8 }),
    serving: fc.boolean(),
  })
  .map(({ id, of, slot, host, address, serving }) =>
    task(`t${id}`, `10.0.1.${10 + address}`, of, { slot, serving, containerAliases: [host] }),
  );

const change = fc.record({
  complete: fc.boolean(),
  rename: fc.boolean(),
  records: fc.uniqueArray(record, { maxLength: 4, selector: ({ endpointId }) => endpointId }),
  gone: fc.array(
    fc.nat({ max: 6 }).map((id) => `t${id}`),
    { maxLength: 2 },
  ),
});

function saidBy(zone: NetworkZone) {
  const entries = names.map((name) => {
    const entry = zone.find(name);
    // Of two that have one address, which the log forbids, either may be the one that is named.
    const targets = entry?.targets.map(({ ipv4 }) => `${ipv4}`).sort();
    return [name, entry?.ttlSeconds, targets];
  });
  const addresses = [...Array.from({ length: 9 }, (_, at) => `10.0.1.${10 + at}`), '10.0.1.100'];
  const pointers = addresses.map((address) => zone.pointer(address)?.ttlSeconds);
  return { entries, pointers, count: zone.namesCount, digest: zone.digest, name: zone.name };
}

test('whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const tables = new HostTables();
      let zone: NetworkZone | undefined;
      for (const [at, { rename, ...each }] of changes.entries()) {
        const network = at === 0 || rename ? { network: hostNetwork(1, { name: `n${at}` }) } : {};
        tables.fold([{ id: 'network-1', ...network, ...each }], false);
        const table = tables.networks.get('network-1');
        if (table === undefined) throw new Error('no table');
        if (zone === undefined) zone = new NetworkZone(table);
        else zone.update(table);
        expect(saidBy(zone)).toEqual(saidBy(new NetworkZone(table)));
      }
    }),
    { numRuns: 300 },
  );
});
