import type { Monotonic } from '@shoal/runtime';
import type { EndpointRecord, RecordService } from '@shoal/state';
import { expect, test } from 'vitest';
import { freshMs, NetworkRecords } from './records.ts';

const at = (ms: number) => ms as Monotonic;
const long = freshMs + 1;

function record(endpointId: string, more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    networkId: 'n',
    endpointId,
    kind: 'task',
    nodeId: 'other',
    vtep: '192.0.2.2',
    addresses: ['10.0.0.5'],
    name: `web.1.${endpointId}`,
    containerAliases: [],
    slot: 1,
    serving: true,
    ...more,
  };
}

const serving = (records: NetworkRecords, id: string) => records.get(id)?.serving;

test('fresh word of hosts counts more than the log, which is behind; old word less', () => {
  const cases = [
    { heardAt: 0, toldAt: freshMs - 1, counts: 'host' },
    { heardAt: 0, toldAt: freshMs, counts: 'log' },
    { heardAt: 10_000, toldAt: 10_001, counts: 'host' },
  ];
  for (const { heardAt, toldAt, counts } of cases) {
    const records = new NetworkRecords('own');
    records.heard([record('up'), record('drains', { serving: false })], ['gone'], at(heardAt));
    records.told([record('gone'), record('drains')], at(toldAt));
    const isHost = counts === 'host';
    expect(serving(records, 'up')).toBe(isHost ? true : undefined);
    expect(serving(records, 'drains')).toBe(!isHost);
    expect(serving(records, 'gone')).toBe(isHost ? undefined : true);
  }
});

test('what hosts say after the log counts at once', () => {
  const records = new NetworkRecords('own');
  expect(records.told([record('a'), record('b')], at(0))).toEqual(['a', 'b']);
  expect(records.heard([record('a', { serving: false })], ['b'], at(1))).toEqual(['a', 'b']);
  expect(serving(records, 'a')).toBe(false);
  expect(records.get('b')).toBeUndefined();
});

test('of its own endpoints the host alone knows', () => {
  const records = new NetworkRecords('own');
  const own = record('mine', { nodeId: 'own', serving: false });
  expect(records.setOwn(own)).toBe(true);
  expect(records.setOwn({ ...own })).toBe(false);
  const claims = [record('mine', { nodeId: 'own' }), record('unknown', { nodeId: 'own' })];
  expect(records.told(claims, at(long))).toEqual([]);
  expect(records.heard(claims, ['mine'], at(long))).toEqual([]);
  expect(records.all()).toEqual([own]);
  expect(records.deleteOwn('mine')).toBe(true);
  expect(records.deleteOwn('mine')).toBe(false);
  expect(records.all()).toEqual([]);
});

test('the log takes away what it does not name, and knows no names of containers alone', () => {
  const records = new NetworkRecords('own');
  records.heard([record('a', { containerAliases: ['abc'] }), record('b')], [], at(0));
  expect(records.known).toBe(false);
  expect(records.told([record('a')], at(long))).toEqual(['b']);
  expect(records.known).toBe(true);
  expect(records.get('a')?.containerAliases).toEqual(['abc']);
  expect(records.others()).toHaveLength(1);
});

test('that a host hides clients from its task stays, though the log does not know it', () => {
  const records = new NetworkRecords('own');
  const service: RecordService = {
    ...{ id: 's', name: 'web', aliases: [], mode: 'vip', virtualIps: [] },
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
  };
  const hidden = { ...service, sourceAddress: 'masquerade' } as const;
  const source = () => records.get('a')?.service?.sourceAddress;
  records.heard([record('a', { service: hidden })], [], at(0));
  expect(records.told([record('a', { service })], at(long))).toEqual([]);
  expect(source()).toBe('masquerade');
  // Its service asks for something else, which counts more.
  records.told(
    [record('a', { service: { ...service, sourceAddress: 'proxy-protocol' } })],
    at(long),
  );
  expect(source()).toBe('proxy-protocol');
  records.heard([record('a', { service })], [], at(long));
  expect(source()).toBeUndefined();
});
