import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePacket, encodePacket, rumourBytes } from './codec.ts';
import { decodeFrame, encodeFrame } from './frame.ts';
import { FrameSplitter, frameHead } from './frame-splitter.ts';
import { frameBytesMax, packetBytesMax } from './limits.ts';
import { recordBytes, timeMax, valueBytesMax } from './tables/record.ts';
import { frame, packet, record, rumour } from './testing/arbitraries.ts';
import type { Packet } from './transport.ts';

const empty: Packet = { from: 'a', probe: undefined, rumours: [], tables: [] };

test('a packet comes out as it went in', () => {
  fc.assert(
    fc.property(packet, (given) => {
      expect(decodePacket(encodePacket(given))).toEqual(given);
    }),
  );
});

test('so does a message of a connection', () => {
  fc.assert(
    fc.property(frame, (given) => {
      expect(decodeFrame(encodeFrame(given))).toEqual(given);
    }),
    { numRuns: 500 },
  );
});

test('the size of news is known before they are sent', () => {
  fc.assert(
    fc.property(fc.array(rumour), fc.array(record), (rumours, records) => {
      const tables = records.length === 0 ? [] : [{ network: '', records }];
      const bare = encodePacket(empty).length + (records.length === 0 ? 0 : 4);
      const bytes = encodePacket({ ...empty, rumours, tables }).length - bare;
      const told =
        rumours.reduce((sum, each) => sum + rumourBytes(each), 0) +
        records.reduce((sum, each) => sum + recordBytes(each), 0);
      expect(bytes).toBeLessThanOrEqual(told);
    }),
  );
});

test('whatever arrives, nothing but packets and messages come out, and nothing is thrown', () => {
  const bend = ([bytes, at, value]: readonly [Uint8Array, number, number]): Uint8Array => {
    const bent = Uint8Array.from(bytes);
    bent[at % bent.length] = value;
    return bent;
  };
  const sound = fc.oneof(packet.map(encodePacket), frame.map(encodeFrame));
  const bent = fc.tuple(sound, fc.nat(), fc.nat({ max: 255 })).map(bend);
  const cut = fc.tuple(sound, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.length));
  const arrived = fc.oneof(fc.uint8Array({ maxLength: packetBytesMax }), bent, cut);
  fc.assert(
    fc.property(arrived, (bytes) => {
      const read = decodePacket(bytes);
      if (read !== undefined) expect(decodePacket(encodePacket(read))).toEqual(read);
      const message = decodeFrame(bytes);
      if (message !== undefined) expect(decodeFrame(encodeFrame(message))).toEqual(message);
    }),
    { numRuns: 4_000 },
  );
});

test.each([
  { what: 'no owner', bent: { owner: '' } },
  { what: 'no id', bent: { id: '' } },
  { what: 'a time that is none', bent: { time: 0 } },
  { what: 'a time beyond all times', bent: { time: timeMax + 1 } },
  { what: 'a value that is too long', bent: { value: new Uint8Array(valueBytesMax + 1) } },
  { what: 'an id that is too long', bent: { id: 'x'.repeat(1_000) } },
])('a record with $what is refused', ({ bent }) => {
  const sound = { owner: 'a', id: 'r', time: 1, value: undefined, ageMs: 0 };
  const tables = [{ network: 'n', records: [sound, { ...sound, ...bent }] }];
  expect(decodePacket(encodePacket({ ...empty, tables }))).toBeUndefined();
});

test('a member at a port that cannot be sent to is refused', () => {
  const addr = { host: '192.0.2.1', port: 0 };
  const rumours = [{ id: 'a', addr, incarnation: 0, standing: 'alive' as const, from: 'b' }];
  expect(decodePacket(encodePacket({ ...empty, rumours }))).toBeUndefined();
});

test('messages come out of a stream whole, however it is cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 })), (given, cuts) => {
      const stream = Buffer.concat(given.flatMap((each) => [frameHead(each.length), each]));
      const splitter = new FrameSplitter();
      const read: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn += 1) {
        const end = at + (cuts[turn % Math.max(1, cuts.length)] ?? 7);
        splitter.push(stream.subarray(at, end));
        at = end;
        for (let next = splitter.next(50); next !== undefined; next = splitter.next(50)) {
          if (next === 'too-long') throw new Error('none is too long');
          read.push(Uint8Array.from(next));
        }
      }
      expect(read).toEqual(given);
    }),
  );
});

test('a message that is too long is known by its length alone', () => {
  const splitter = new FrameSplitter();
  splitter.push(Buffer.from(frameHead(frameBytesMax + 1)));
  expect(splitter.next(frameBytesMax)).toBe('too-long');
});
