// What is written is read back by another implementation (dns-packet), whatever the names and sizes.
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainUdpBytes, rcodes, tcpBytesMax, udpBytesMax } from './protocol.ts';
import { parseQuery, type Query } from './query.ts';
import { errorReply, ReplyWriter, type ResourceRecord } from './reply-writer.ts';

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
const ttlSeconds = fc.integer({ min: 0, max: 0x7fffffff });
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('address' as const),
    name,
    ttlSeconds,
    address: fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    ),
  }),
  fc.record({ kind: fc.constant('pointer' as const), name, ttlSeconds, target: name }),
  fc.record({
    kind: fc.constant('service' as const),
    name,
    ttlSeconds,
    port: fc.integer({ min: 1, max: 65_535 }),
    target: name,
  }),
);

function queryOf(asked: string, udpBytes?: number): Query {
  const opt = { type: 'OPT' as const, name: '.', udpPayloadSize: udpBytes ?? 0, flags: 0 };
  const packet = encode({
    type: 'query',
    id: 4711,
    flags: 0x100,
    questions: [{ type: 'A', name: asked }],
    ...(udpBytes === undefined
      ? {}
      : {
          additionals: [{ ...opt, extendedRcode: 0, ednsVersion: 0, flag_do: false, options: [] }],
        }),
  });
  const parsed = parseQuery(packet);
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  return parsed.query;
}

const reply = (
  answers: readonly ResourceRecord[],
  additionals: readonly ResourceRecord[] = [],
) => ({
  ...{ rcode: rcodes.noError, authoritative: true },
  ...{ answers, additionals },
});

/** What a record says, as dns-packet would say it. */
function meaning(of: ResourceRecord): unknown {
  const common = { name: of.name, ttl: of.ttlSeconds };
  switch (of.kind) {
    case 'address':
      return of.address.length === 4
        ? { ...common, type: 'A', data: of.address.join('.') }
        : { ...common, type: 'AAAA' };
    case 'pointer':
      return { ...common, type: 'PTR', data: of.target };
    case 'service':
      return {
        ...{ ...common, type: 'SRV' },
        data: { priority: 0, weight: 0, port: of.port, target: of.target },
      };
  }
}

describe('a reply', () => {
  const writer = new ReplyWriter();

  test('says what it was to say', () => {
    fc.assert(
      fc.property(name, fc.array(record), fc.array(record), (asked, answers, additionals) => {
        const packet = writer.write(queryOf(asked), reply(answers, additionals), 'tcp');
        expect(decode(packet)).toMatchObject({
          id: 4711,
          type: 'response',
          flag_aa: true,
          flag_tc: false,
          flag_rd: true,
          flag_ra: true,
          rcode: 'NOERROR',
          questions: [{ type: 'A', name: asked }],
          answers: answers.map(meaning),
          additionals: additionals.map(meaning),
        });
      }),
      { numRuns: 300 },
    );
  });

  test('is never longer than the client takes, and says when something is missing', () => {
    // dns-packet writes no 0: it takes it for a size that is not said.
    const size = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    const many = fc.array(record, { maxLength: 80 });
    fc.assert(
      fc.property(name, size, many, many, (asked, udpBytes, answers, additionals) => {
        const packet = writer.write(queryOf(asked, udpBytes), reply(answers, additionals), 'udp');
        const limit = Math.max(plainUdpBytes, Math.min(udpBytes ?? 0, udpBytesMax));
        expect(packet.length).toBeLessThanOrEqual(limit);
        const read = decode(packet);
        const got = read.answers ?? [];
        expect(read.flag_tc).toBe(got.length < answers.length);
        expect(got).toMatchObject(answers.slice(0, got.length).map(meaning));
        const others = (read.additionals ?? []).filter(({ type }) => type !== 'OPT');
        expect(others).toMatchObject(additionals.slice(0, others.length).map(meaning));
        const opts = (read.additionals ?? []).length - others.length;
        expect(opts).toBe(udpBytes === undefined ? 0 : 1);
      }),
      { numRuns: 300 },
    );
  });

  test('repeats no name: eight addresses take 16 bytes each', () => {
    const answers = Array.from({ length: 8 }, (_, at): ResourceRecord => {
      const address = Uint8Array.of(10, 0, 1, at);
      return { kind: 'address', name: 'tasks.web', ttlSeconds: 5, address };
    });
    const packet = writer.write(queryOf('tasks.web'), reply(answers), 'udp');
    expect(packet.length).toBe(12 + 'tasks.web'.length + 2 + 4 + 8 * 16);
  });

  test('repeats the question as it was spelt', () => {
    const packet = writer.write(queryOf('TaSkS.Web'), reply([]), 'udp');
    expect(decode(packet).questions?.[0]?.name).toBe('TaSkS.Web');
  });

  test('fills a message over TCP and not a byte more', () => {
    const answers = Array.from({ length: 6_000 }, (_, at): ResourceRecord => {
      const address = Uint8Array.of(10, 0, at >> 8, at & 255);
      return { kind: 'address', name: 'tasks.web', ttlSeconds: 5, address };
    });
    const packet = writer.write(queryOf('tasks.web'), reply(answers), 'tcp');
    expect(packet.length).toBeGreaterThan(tcpBytesMax - 16);
    expect(packet.length).toBeLessThanOrEqual(tcpBytesMax);
    const read = decode(packet);
    expect(read.flag_tc).toBe(true);
    expect(read.answers).toHaveLength(4_094);
  });
});

test('an error is a header, and for an unknown EDNS version says which we know', () => {
  expect(errorReply(7, 0x0100, rcodes.formatError).toString('hex')).toBe(
    '000781810000000000000000',
  );
  expect(decode(errorReply(7, 0x0100, 16))).toMatchObject({
    rcode: 'NOERROR',
    additionals: [{ type: 'OPT', extendedRcode: 1, ednsVersion: 0 }],
  });
});
