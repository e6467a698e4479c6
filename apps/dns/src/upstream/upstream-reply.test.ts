// Answers from outside: what is kept of them, what clients get, and what damaged ones do.
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { soa } from '../testing/fake-upstream.ts';
import { parseQuery, type Query } from '../wire/query.ts';
import {
  keepNegativeSecondsMax,
  keepSecondsMax,
  readReply,
  replyFor,
  type UpstreamReply,
  upstreamQuery,
} from './upstream-reply.ts';

const questions: Packet['questions'] = [{ type: 'A', name: 'name.test' }];
const opt = {
  ...{ type: 'OPT' as const, name: '.', udpPayloadSize: 1_232, extendedRcode: 0 },
  ...{ ednsVersion: 0, flags: 0, flag_do: false, options: [] },
};

function queryOf(change: Partial<Packet> = {}): Query {
  const parsed = parseQuery(encode({ type: 'query', id: 7, flags: 0x100, questions, ...change }));
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  return parsed.query;
}

const query = queryOf();
const asked = upstreamQuery(query, 4_242, true);
const read = (packet: Buffer) => readReply(packet, asked, query.question.length);
const address = (data: string, ttl: number): Answer => ({
  type: 'A',
  name: 'name.test',
  ttl,
  data,
});

function packetOf(change: Partial<Packet>): Buffer {
  return encode({ type: 'response', id: 4_242, flags: 0x0180, questions, ...change });
}

function kept(change: Partial<Packet>): UpstreamReply {
  const result = read(packetOf(change));
  if (result.kind !== 'reply') throw new Error(result.kind);
  return result.reply;
}

describe('an answer is kept', () => {
  test.each<[string, Partial<Packet>, number]>([
    [
      'as long as its shortest record',
      { answers: [address('192.0.2.1', 300), address('192.0.2.2', 20)] },
      20,
    ],
    ['not at all when it says so', { answers: [address('192.0.2.1', 0)] }, 0],
    [
      'no longer than we keep anything',
      { answers: [address('192.0.2.1', 999_999)] },
      keepSecondsMax,
    ],
    ['not when its time is nonsense', { answers: [address('192.0.2.1', 0x8000_0000)] }, 0],
    ['without records as long as the SOA says', { authorities: [soa('test', 20, 10)] }, 10],
    ['without records as long as the SOA lives', { authorities: [soa('test', 5, 10)] }, 5],
    [
      'without records never for long',
      { authorities: [soa('test', 900, 900)] },
      keepNegativeSecondsMax,
    ],
    ['not at all without records and SOA', {}, 0],
  ])('%s', (_, change, seconds) => {
    expect(kept(change).keepSeconds).toBe(seconds);
  });

  test('without the OPT record, and what comes after it', () => {
    const more = address('192.0.2.99', 60);
    const reply = kept({ answers: [address('192.0.2.1', 60)], additionals: [more, opt, more] });
    const told = decode(replyFor(reply, query, 'udp', 0));
    expect(told.additionals).toMatchObject([{ data: '192.0.2.99' }]);
    expect(told.answers).toMatchObject([{ data: '192.0.2.1' }]);
  });
});

describe('a client', () => {
  test('is told how long an answer may still be kept', () => {
    const reply = kept({ answers: [address('192.0.2.1', 60), address('192.0.2.2', 9_999)] });
    for (const age of [0, 25, 59]) {
      const { answers } = decode(replyFor(reply, query, 'udp', age));
      expect(answers).toMatchObject([{ ttl: 60 - age }, { ttl: keepSecondsMax - age }]);
    }
    expect(decode(replyFor(reply, query, 'udp', 75)).answers).toMatchObject([{ ttl: 0 }, {}]);
  });

  test('is told whether the answer was checked, and by its own flags whether it wanted that', () => {
    const reply = kept({ flags: 0x01a0, answers: [address('192.0.2.1', 60)] });
    const checking = queryOf({ flags: 0x0110 });
    expect(decode(replyFor(reply, checking, 'udp', 0))).toMatchObject({
      flag_ad: true,
      flag_cd: true,
    });
  });

  test('gets what fits, and otherwise a word that there is more', () => {
    const answers = Array.from({ length: 60 }, (_, at) => address(`192.0.2.${at}`, 60));
    const reply = kept({ answers });
    const plain = replyFor(reply, query, 'udp', 0);
    expect(plain.length).toBeLessThanOrEqual(512);
    const some = decode(plain);
    expect(some).toMatchObject({ flag_tc: true, questions });
    expect(some.answers?.length).toBeGreaterThan(10);
    expect(some.answers).toMatchObject(answers.slice(0, some.answers?.length));
    const edns = queryOf({ additionals: [{ ...opt, udpPayloadSize: 4_096 }] });
    expect(decode(replyFor(reply, edns, 'udp', 0)).flag_tc).toBe(true);
    expect(decode(replyFor(reply, edns, 'tcp', 0)).answers).toHaveLength(60);
  });
});

const name = fc.constantFrom('name.test', 'a.test', 'server.of.a.longer.name.test');
const records = fc.array(
  fc.record({
    type: fc.constant('TXT' as const),
    name,
    ttl: fc.nat({ max: 60 }),
    data: fc.string(),
  }),
  { maxLength: 30 },
);

test('whatever there is: the answers that fit, and a word about the rest only if one is missing', () => {
  fc.assert(
    fc.property(
      records,
      records,
      records,
      fc.boolean(),
      (answers, authorities, additionals, big) => {
        const whole = { answers, authorities, additionals };
        const client = big ? queryOf({ additionals: [opt] }) : query;
        const packet = packetOf(whole);
        fc.pre(packet.length < 0xffff);
        const reply = replyFor(kept(whole), client, 'udp', 0);
        const most = big ? 1_232 : 512;
        expect(reply.length).toBeLessThanOrEqual(most);
        const got = decode(reply);
        const own = got.additionals?.filter(({ type }) => type !== 'OPT') ?? [];
        const part = (all: readonly Answer[], some: readonly Answer[] = []) =>
          expect(some.map(({ name: one }) => one)).toEqual(
            all.slice(0, some.length).map(({ name: one }) => one),
          );
        part(answers, got.answers);
        part(authorities, got.authorities);
        part(additionals, own);
        const isMissed =
          got.answers?.length !== answers.length ||
          (answers.length === 0 && got.authorities?.length !== authorities.length);
        expect(got.flag_tc).toBe(isMissed);
        // Sections come whole or not at all, but for the answer.
        expect([0, authorities.length]).toContain(got.authorities?.length);
        expect([0, additionals.length]).toContain(own.length);
        // And nothing is left out that there was room for.
        const fits = (part: Partial<Packet>) => packetOf(part).length + (big ? 11 : 0) <= most;
        const oneMore = answers.slice(0, (got.answers?.length ?? 0) + 1);
        if (fits({ answers: oneMore })) expect(got.answers).toHaveLength(answers.length);
        if (fits({ answers, authorities }))
          expect(got.authorities).toHaveLength(authorities.length);
        if (fits(whole)) expect(own).toHaveLength(additionals.length);
      },
    ),
  );
});

test('20 000 damaged answers: no throw, and none that is passed on is longer than it may be', () => {
  const seeds = [
    packetOf({ answers: [address('192.0.2.1', 60)], additionals: [opt] }),
    packetOf({ authorities: [soa('test', 20, 10)], additionals: [opt] }),
    packetOf({
      answers: [
        { type: 'CNAME', name: 'name.test', ttl: 9, data: 'other.test' },
        { type: 'TXT', name: 'other.test', ttl: 9, data: 'a text' },
      ],
    }),
  ];
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 });
  const cut = fc.option(fc.nat({ max: 60 }), { nil: 0 });
  let passed = 0;
  fc.assert(
    fc.property(fc.constantFrom(...seeds), damage, cut, (seed, changes, less) => {
      const packet = Buffer.from(seed.subarray(0, seed.length - less));
      // Behind the question: what is before it only decides whether the answer is one.
      for (const [at, value] of changes) {
        const offset = at % packet.length;
        if (offset > 1 && (offset < 4 || offset > 5)) packet[offset] = value;
      }
      const result = read(packet);
      if (result.kind !== 'reply') return;
      passed += 1;
      const told = replyFor(result.reply, query, 'udp', 1);
      expect(told.length).toBeLessThanOrEqual(512);
      expect(told.readUInt16BE(0)).toBe(7);
      expect(told.subarray(12, 12 + query.question.length)).toEqual(query.question);
      expect(result.reply.keepSeconds).toBeLessThanOrEqual(keepSecondsMax);
    }),
    { numRuns: 20_000 },
  );
  // Otherwise the test has looked at nothing but refusals.
  expect(passed).toBeGreaterThan(500);
});
