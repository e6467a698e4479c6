import fc from 'fast-check';
import { incarnationMax } from '../limits.ts';
import type { Member, Rumour, Standing } from '../member.ts';
import { type TableNews, type TableRecord, timeMax } from '../tables/record.ts';
import type { Answer, Frame, Packet, Probe, Question } from '../transport.ts';

const id = fc.string({ minLength: 1, maxLength: 25 });
const addr = fc.record({
  host: fc.oneof(fc.ipV4(), fc.constant('fd00:5::251')),
  port: fc.integer({ min: 1, max: 65_535 }),
});
const sequence = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const member: fc.Arbitrary<Member> = fc.record({
  id,
  addr,
  incarnation: fc.integer({ min: 0, max: incarnationMax }),
  standing: fc.constantFrom<Standing>('alive', 'suspect', 'dead', 'left'),
});

export const rumour: fc.Arbitrary<Rumour> = fc
  .tuple(member, id)
  .map(([about, from]) => ({ ...about, from }));

export const record: fc.Arbitrary<TableRecord> = fc.record({
  owner: id,
  id,
  time: fc.integer({ min: 1, max: timeMax }),
  // A value decodes to a Buffer.
  value: fc.option(
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
  ageMs: fc.integer({ min: 0, max: timeMax }),
});

const network = fc.oneof(fc.constant(''), id);
const news: fc.Arbitrary<TableNews> = fc.record({ network, records: fc.array(record) });

const probe: fc.Arbitrary<Probe | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant('ping' as const), sequence, target: id }),
  fc.record({ kind: fc.constant('ping-request' as const), sequence, target: id, addr }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const), sequence }),
);

export const packet: fc.Arbitrary<Packet> = fc.record({
  from: id,
  probe,
  rumours: fc.array(rumour),
  tables: fc.array(news),
});

const digest = fc
  .uint8Array({ minLength: 8, maxLength: 8 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({
    kind: fc.constant('reach' as const),
    target: id,
    digest: fc.oneof(fc.constant(''), digest),
  }),
  fc.record({ kind: fc.constant('members' as const), list: fc.array(member) }),
  fc.record({
    kind: fc.constant('digests' as const),
    tables: fc.array(fc.record({ network, digest })),
  }),
  fc.record({
    kind: fc.constant('records' as const),
    tables: fc.array(fc.record({ network, records: fc.array(record), owners: fc.array(id) })),
  }),
  fc.record({ kind: fc.constant('push' as const), news }),
);

const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ kind: fc.constant('pushed' as const) }),
  fc.record({ kind: fc.constant('reached' as const), same: fc.boolean() }),
  fc.record({ kind: fc.constant('members' as const), list: fc.array(member) }),
  fc.record({
    kind: fc.constant('owners' as const),
    tables: fc.array(
      fc.record({
        network,
        absent: fc.boolean(),
        owners: fc.array(fc.tuple(id, digest)).map((owners) => new Map(owners)),
      }),
    ),
  }),
  fc.record({ kind: fc.constant('records' as const), tables: fc.array(news) }),
);

export const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant('hello' as const), self: member }),
  fc.record({ kind: fc.constant('question' as const), sequence, question }),
  fc.record({ kind: fc.constant('answer' as const), sequence, answer }),
);
