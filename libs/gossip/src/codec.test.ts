import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeList, decodePacket, encodeList, encodePacket, rumourBytes } from './codec.ts';
import { packetBytesMax } from './limits.ts';
import type { Rumour, Standing } from './member.ts';
import type { Packet, Probe } from './transport.ts';

const id = fc.string({ minLength: 1, maxLength: 25 });
const addr = fc.record({
  host: fc.oneof(fc.ipV4(), fc.constant('fd00:5::251')),
  port: fc.integer({ min: 0, max: 65_535 }),
});
const sequence = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const member = fc.record({
  id,
  addr,
  incarnation: sequence,
  standing: fc.constantFrom<Standing>('alive', 'suspect', 'dead', 'left'),
});
const rumour: fc.Arbitrary<Rumour> = fc
  .tuple(member, id)
  .map(([about, from]) => ({ ...about, from }));
const probe: fc.Arbitrary<Probe | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant('ping' as const), sequence, target: id }),
  fc.record({ kind: fc.constant('ping-request' as const), sequence, target: id, addr }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const), sequence }),
);
const packet: fc.Arbitrary<Packet> = fc.record({ from: id, probe, rumours: fc.array(rumour) });

test('a packet comes out as it went in', () => {
  fc.assert(
    fc.property(packet, (given) => {
      expect(decodePacket(encodePacket(given))).toEqual(given);
    }),
  );
});

test('so does a list', () => {
  fc.assert(
    fc.property(fc.array(member), (given) => {
      expect(decodeList(encodeList(given))).toEqual(given);
    }),
  );
});

test('the size of news is known before they are sent', () => {
  fc.assert(
    fc.property(fc.array(rumour, { minLength: 1 }), (rumours) => {
      const empty = encodePacket({ from: 'a', probe: undefined, rumours: [] }).length;
      const bytes = encodePacket({ from: 'a', probe: undefined, rumours }).length - empty;
      const told = rumours.reduce((sum, each) => sum + rumourBytes(each), 0);
      expect(bytes).toBeLessThanOrEqual(told);
    }),
  );
});

test('whatever arrives, nothing but packets and lists come out, and nothing is thrown', () => {
  const bent = fc.tuple(packet, fc.nat(), fc.nat({ max: 255 })).map(([given, at, value]) => {
    const bytes = Uint8Array.from(encodePacket(given));
    bytes[at % bytes.length] = value;
    return bytes;
  });
  const arrived = fc.oneof(fc.uint8Array({ maxLength: packetBytesMax }), bent);
  fc.assert(
    fc.property(arrived, (bytes) => {
      const read = decodePacket(bytes);
      if (read !== undefined) expect(decodePacket(encodePacket(read))).toEqual(read);
      const list = decodeList(bytes);
      if (list !== undefined) expect(decodeList(encodeList(list))).toEqual(list);
    }),
    { numRuns: 2_000 },
  );
});
