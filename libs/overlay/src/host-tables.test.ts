import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HostTables } from './host-tables.ts';
import type { HostNetwork, HostNetworkChange } from './networks.ts';
import { anyRecord, someRecord } from './testing/records.ts';

function network(id: string, more: Partial<HostNetwork> = {}): HostNetwork {
  return {
    id,
    name: id,
    namespace: '/run/netns/shoal-4097',
    subnets: [],
    internal: false,
    ingress: false,
    mtu: 1450,
    balancerAddresses: [],
    upstreams: [],
    local: [],
    ...more,
  };
}

const difference = { complete: false, records: [], gone: [] };
const ids = (tables: HostTables, id = 'n') => [...(tables.networks.get(id)?.records.keys() ?? [])];

test('differences are laid over what was told before', () => {
  const tables = new HostTables();
  const [a, b] = [someRecord('a'), someRecord('b')];
  const all: HostNetworkChange = {
    id: 'n',
    network: network('n'),
    complete: true,
    records: [a, b],
    gone: [],
  };
  expect([...tables.fold([all], true)]).toEqual(['n']);
  expect(ids(tables)).toEqual(['a', 'b']);
  expect([...tables.fold([all], true)]).toEqual([]);
  const draining = { ...a, serving: false };
  const changed = tables.fold(
    [{ ...difference, id: 'n', records: [draining], gone: ['b'] }],
    false,
  );
  expect([...changed]).toEqual(['n']);
  expect(tables.networks.get('n')?.records).toEqual(new Map([['a', draining]]));
  tables.fold([{ ...difference, id: 'n', network: network('n', { mtu: 1400 }) }], false);
  expect(tables.networks.get('n')?.network.mtu).toBe(1400);
  expect(ids(tables)).toEqual(['a']);
});

test('a complete update takes away what it does not name', () => {
  const tables = new HostTables();
  const whole = (id: string): HostNetworkChange => ({
    id,
    network: network(id),
    complete: true,
    records: [someRecord('a')],
    gone: [],
  });
  tables.fold([whole('n'), whole('m')], true);
  expect([...tables.fold([whole('n')], true)]).toEqual(['m']);
  expect([...tables.networks.keys()]).toEqual(['n']);
  expect([...tables.fold([{ ...difference, id: 'n', removed: true }], false)]).toEqual(['n']);
  expect(tables.networks.size).toBe(0);
});

test('a difference to a network that was never told is nothing', () => {
  const tables = new HostTables();
  const records = [someRecord('a')];
  expect([...tables.fold([{ ...difference, id: 'x', records }], false)]).toEqual([]);
  expect(tables.networks.size).toBe(0);
});

test('whatever came before, a complete change leaves exactly its records', () => {
  const step = fc.record({
    records: fc.array(anyRecord, { maxLength: 4 }),
    gone: fc.array(fc.stringMatching(/^[a-z]{1,2}$/), { maxLength: 3 }),
    complete: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), fc.array(anyRecord), (steps, last) => {
      const tables = new HostTables();
      tables.fold([{ id: 'n', network: network('n'), ...difference }], true);
      for (const each of steps) tables.fold([{ id: 'n', ...each }], false);
      tables.fold([{ id: 'n', complete: true, records: last, gone: [] }], false);
      const wanted = new Map(last.map((record) => [record.endpointId, record]));
      expect(new Map(tables.networks.get('n')?.records)).toEqual(wanted);
    }),
  );
});
