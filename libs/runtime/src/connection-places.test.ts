import { describe, expect, test } from 'vitest';
import { ConnectionPlaces } from './connection-places.ts';

const limits = { provedMax: 100, strangersMax: 32, strangersPerAddressMax: 8 };
const { provedMax, strangersMax, strangersPerAddressMax } = limits;

/** `count` connections of one address begin; returns those that gave way. */
function begin(
  places: ConnectionPlaces<string>,
  address: string,
  count: number,
  from = 0,
): string[] {
  return Array.from({ length: count }, (_, at) =>
    places.begun(`${address}/${from + at}`, address),
  ).filter((left) => left !== undefined);
}

describe('places of connections', () => {
  test('a stranger that opens many loses its own oldest, and nobody else', () => {
    const places = new ConnectionPlaces<string>(limits);
    expect(places.begun('joiner', '10.0.0.9')).toBeUndefined();
    expect(begin(places, '10.0.0.1', strangersPerAddressMax)).toEqual([]);
    expect(begin(places, '10.0.0.1', 2, 100)).toEqual(['10.0.0.1/0', '10.0.0.1/1']);
    expect(places.proved('joiner', 'n9')).toBe(true);
  });

  test('when strangers have all places, the oldest of them gives way', () => {
    const places = new ConnectionPlaces<string>(limits);
    const addresses = strangersMax / strangersPerAddressMax;
    for (let at = 0; at < addresses; at += 1)
      expect(begin(places, `10.0.0.${at}`, strangersPerAddressMax)).toEqual([]);
    expect(places.begun('joiner', '10.0.1.1')).toBe('10.0.0.0/0');
    expect(places.begun('another', '10.0.1.1')).toBe('10.0.0.0/1');
  });

  test('ports that are used again give back the place of who had them', () => {
    const places = new ConnectionPlaces<string>({ ...limits, provedPerNodeMax: 1 });
    for (let time = 0; time < 2; time += 1) {
      expect(places.begun('same ports', '10.0.0.1')).toBeUndefined();
      expect(places.proved('same ports', 'n1')).toBe(true);
    }
    places.ended('same ports');
    places.begun('other ports', '10.0.0.1');
    expect(places.proved('other ports', 'n1')).toBe(true);
  });

  test('who has proved whose it is takes no place of strangers, and gives way to none', () => {
    const places = new ConnectionPlaces<string>(limits);
    for (let at = 0; at < provedMax; at += 1) {
      expect(places.begun(`m${at}`, '10.0.0.1')).toBeUndefined();
      expect(places.proved(`m${at}`, `n${at % 3}`)).toBe(true);
    }
    expect(begin(places, '10.0.0.1', strangersPerAddressMax)).toEqual([]);
    expect(places.of(() => true)).toHaveLength(provedMax);
    // They have no more places than these, and one that left makes room.
    expect(places.proved('10.0.0.1/0', 'n1')).toBe(false);
    places.ended('m0');
    expect(places.proved('10.0.0.1/0', 'n1')).toBe(true);
  });

  test('a node has no more than its share, and gets it back as its connections end', () => {
    const places = new ConnectionPlaces<string>({ ...limits, provedPerNodeMax: 2 });
    begin(places, '10.0.0.1', 5);
    const prove = (at: number, nodeId: string): boolean => places.proved(`10.0.0.1/${at}`, nodeId);
    expect([prove(0, 'n1'), prove(1, 'n1'), prove(2, 'n1'), prove(3, 'n2')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    places.ended('10.0.0.1/0');
    // Once more is nothing.
    places.ended('10.0.0.1/0');
    expect([prove(2, 'n1'), prove(4, 'n1')]).toEqual([true, false]);
  });

  test('one that gave way proves nothing any more', () => {
    const places = new ConnectionPlaces<string>(limits);
    begin(places, '10.0.0.1', strangersPerAddressMax + 1);
    expect(places.proved('10.0.0.1/0', 'n1')).toBe(false);
  });

  test('one that ended makes room', () => {
    const places = new ConnectionPlaces<string>(limits);
    begin(places, '10.0.0.1', strangersPerAddressMax);
    places.ended('10.0.0.1/7');
    expect(places.begun('next', '10.0.0.1')).toBeUndefined();
  });

  test('a node has its own connections only', () => {
    const places = new ConnectionPlaces<string>(limits);
    for (const [connection, nodeId] of [
      ['a', 'n1'],
      ['b', 'n2'],
      ['c', 'n1'],
    ] as const) {
      places.begun(connection, '10.0.0.1');
      places.proved(connection, nodeId);
    }
    places.begun('d', '10.0.0.1');
    expect(places.of((nodeId) => nodeId === 'n1')).toEqual(['a', 'c']);
  });
});
