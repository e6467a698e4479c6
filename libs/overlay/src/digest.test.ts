import type { EndpointRecord } from '@shoal/state';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DigestConsumer, servedDigest } from './digest.ts';
import { anyRecord, anyRecords } from './testing/records.ts';

const consumers: readonly DigestConsumer[] = ['names', 'balancer', 'peers'];

function digests(records: readonly EndpointRecord[]): readonly string[] {
  return consumers.map((consumer) => servedDigest(records, consumer));
}

test('the order of records, and of lists in them, does not matter', () => {
  const shuffled = anyRecords.chain((records) =>
    fc.tuple(
      fc.constant(records),
      fc.shuffledSubarray(records, { minLength: records.length, maxLength: records.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([records, others]) => {
      const turned = others.map((record) => ({
        ...record,
        addresses: [...record.addresses].reverse(),
        ...(record.service === undefined
          ? {}
          : {
              service: {
                ...record.service,
                aliases: [...record.service.aliases].reverse(),
                virtualIps: [...record.service.virtualIps].reverse(),
                ports: [...record.service.ports].reverse(),
              },
            }),
      }));
      expect(digests(turned)).toEqual(digests(records));
    }),
  );
});

test('one record more or less shows wherever it is served', () => {
  fc.assert(
    fc.property(anyRecords, anyRecord, (records, more) => {
      const one = { ...more, endpointId: 'one-more', serving: true, name: 'x.1.y' };
      const before = digests(records);
      const after = digests([...records, one]);
      expect(after[0]).not.toBe(before[0]);
      expect(after[1] === before[1]).toBe(one.service === undefined);
      expect(after[2]).not.toBe(before[2]);
    }),
  );
});

const record: EndpointRecord = {
  networkId: 'n',
  endpointId: 't',
  kind: 'task',
  nodeId: 'h',
  vtep: '192.0.2.1',
  addresses: ['10.0.0.2', 'fd00::2'],
  name: 'web.1.t',
  containerAliases: [],
  slot: 1,
  service: {
    id: 's',
    name: 'web',
    aliases: ['www'],
    mode: 'vip',
    virtualIps: ['10.0.0.1'],
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }],
  },
  serving: true,
};
const service = record.service as NonNullable<EndpointRecord['service']>;

/** What is different, and who serves something else then. */
const differences: readonly [string, Partial<EndpointRecord>, readonly DigestConsumer[]][] = [
  ['address', { addresses: ['10.0.0.3'] }, ['names', 'balancer', 'peers']],
  ['tunnel end', { vtep: '192.0.2.2' }, ['peers']],
  ['name', { name: 'web.2.t' }, ['names']],
  ['slot', { slot: 2 }, ['names']],
  ['serving', { serving: false }, ['names', 'balancer']],
  ['container aliases', { containerAliases: ['abc'] }, []],
  ['host', { nodeId: 'other' }, []],
  ['service name', { service: { ...service, name: 'x' } }, ['names']],
  ['service alias', { service: { ...service, aliases: [] } }, ['names']],
  ['virtual address', { service: { ...service, virtualIps: [] } }, ['names', 'balancer']],
  ['mode', { service: { ...service, mode: 'dnsrr' } }, ['names']],
  ['ports', { service: { ...service, ports: [] } }, ['balancer']],
];

test.each(differences)(
  'another %s shows in the digests of who serves it',
  (_what, change, whose) => {
    for (const consumer of consumers) {
      const same =
        servedDigest([record], consumer) === servedDigest([{ ...record, ...change }], consumer);
      expect({ consumer, same }).toEqual({ consumer, same: !whose.includes(consumer) });
    }
  },
);

test('a digest is short, and the same in every release', () => {
  expect(servedDigest([], 'names')).toBe('e3b0c44298fc1c149afbf4c8996fb924');
  expect(digests([record])).toMatchInlineSnapshot(`
    [
      "79c96f15cac639c90282f60920a7d74e",
      "a358d1c57658a0547a049cee0cf34817",
      "e971439d96a64fb590f2d91a9c7b349f",
    ]
  `);
});
