// Names of the outside, asked of servers on real sockets that do what servers do: answer, refuse, truncate, fall silent.
import { systemClock, systemRandom } from '@shoal/runtime';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import { afterEach, describe, expect, test } from 'vitest';
import {
  answerFlags,
  answerTo,
  type Behaviour,
  FakeUpstream,
  moreFlags,
  soa,
} from '../testing/fake-upstream.ts';
import { parseQuery, type Query } from '../wire/query.ts';
import { hostExchange } from './exchange.ts';
import { type ExchangeOutcome, type Forwarded, Forwarder, forwardLimits } from './forwarder.ts';
import { replyFor } from './upstream-reply.ts';

const opt = {
  ...{ type: 'OPT' as const, name: '.', udpPayloadSize: 4_096, extendedRcode: 0 },
  ...{ ednsVersion: 0, flags: 0, flag_do: false, options: [] },
};
/** The kernel refuses to connect with the broadcast address, as with one that it has no route to. */
const noWay = '255.255.255.255:53';
const address = (name: string, data: string, ttl = 300): Answer => ({ type: 'A', name, ttl, data });

const servers: FakeUpstream[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function upstream(behaviour: Behaviour): Promise<FakeUpstream> {
  const server = await FakeUpstream.start(behaviour);
  servers.push(server);
  return server;
}

const says = (...data: readonly string[]): Behaviour => {
  return (question) => [
    answerTo(
      question,
      data.map((each) => address('name.test', each)),
      { additionals: [opt] },
    ),
  ];
};

function forwarder() {
  const outcomes: ExchangeOutcome[] = [];
  const made = new Forwarder({
    exchange: hostExchange(systemClock),
    clock: systemClock,
    random: systemRandom,
    observe: (_, outcome) => outcomes.push(outcome),
  });
  return { made, outcomes };
}

function queryFor(name: string, change: Partial<Packet> = {}): Query {
  const questions: Packet['questions'] = [{ type: 'A', name }];
  const parsed = parseQuery(encode({ type: 'query', id: 7, flags: 0x100, questions, ...change }));
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  return parsed.query;
}

const query = queryFor('name.test');

/** What the client that asked `of` would get over UDP. */
function told(forwarded: Forwarded, of = query) {
  if (forwarded.kind !== 'reply') throw new Error(forwarded.kind);
  return decode(replyFor(forwarded.reply, of, 'udp', forwarded.ageSeconds));
}

describe('an answer', () => {
  test('comes back under the client’s id, without EDNS for those who do not know it', async () => {
    const server = await upstream(says('192.0.2.1', '192.0.2.2'));
    const reply = told(await forwarder().made.forward(query, [server.name]));
    expect(reply).toMatchObject({
      id: 7,
      rcode: 'NOERROR',
      flag_ra: true,
      flag_aa: false,
      questions: [{ name: 'name.test' }],
      answers: [{ data: '192.0.2.1' }, { data: '192.0.2.2' }],
      additionals: [],
    });
    const withEdns = queryFor('name.test', { additionals: [opt] });
    const { made } = forwarder();
    const edns = told(await made.forward(withEdns, [server.name]), withEdns);
    expect(edns.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1_232 }]);
  });

  test('is asked for with EDNS, a random id and a random port', async () => {
    const server = await upstream(says('192.0.2.1'));
    const { made } = forwarder();
    for (let at = 0; at < 16; at += 1) await made.forward(queryFor(`n${at}.test`), [server.name]);
    expect(server.heard).toHaveLength(16);
    expect(server.heard[0]?.packet.additionals).toMatchObject([
      { type: 'OPT', udpPayloadSize: 1_232 },
    ]);
    expect(new Set(server.heard.map(({ packet }) => packet.id)).size).toBeGreaterThan(12);
    expect(new Set(server.heard.map(({ port }) => port)).size).toBeGreaterThan(8);
  });

  test('is spelt as each client has asked', async () => {
    const server = await upstream(says('192.0.2.1'));
    const { made } = forwarder();
    await made.forward(query, [server.name]);
    const loud = queryFor('NAME.test');
    const cached = made.cached(loud, [server.name]);
    expect(cached && told(cached, loud).questions?.[0]?.name).toBe('NAME.test');
    expect(server.heard).toHaveLength(1);
  });

  test('that is truncated is asked for again over TCP', async () => {
    const addresses = Array.from({ length: 120 }, (_, at) => address('name.test', `192.0.2.${at}`));
    const server = await upstream((question, over) => [
      over === 'udp'
        ? answerTo(question, [], { flags: answerFlags.truncated })
        : answerTo(question, addresses),
    ]);
    const { made, outcomes } = forwarder();
    const forwarded = await made.forward(query, [server.name]);
    expect(outcomes).toEqual(['truncated', 'answered']);
    expect(server.heard.map(({ over }) => over)).toEqual(['udp', 'tcp']);
    // 120 addresses are too many for a client without EDNS.
    expect(told(forwarded).flag_tc).toBe(true);
    expect(told(forwarded).answers?.length).toBeLessThan(120);
    if (forwarded.kind !== 'reply') throw new Error(forwarded.kind);
    const whole = decode(replyFor(forwarded.reply, query, 'tcp', 0));
    expect(whole.answers).toHaveLength(120);
  });

  test('of another id or to another question is not heard', async () => {
    const server = await upstream((question) => {
      const good = answerTo(question, [address('name.test', '192.0.2.1')]);
      const forged = Buffer.from(answerTo(question, [address('name.test', '203.0.113.66')]));
      forged.writeUInt16BE(((question.packet.id ?? 0) + 1) % 65_536, 0);
      const other = answerTo(
        { packet: { ...question.packet, questions: [{ type: 'A', name: 'nome.test' }] } },
        [address('nome.test', '203.0.113.66')],
      );
      return [forged, other, Buffer.from('nonsense'), good];
    });
    const reply = told(await forwarder().made.forward(query, [server.name]));
    expect(reply.answers).toMatchObject([{ data: '192.0.2.1' }]);
  });

  test('of a server that does not know EDNS is asked for without', async () => {
    const server = await upstream((question) => [
      (question.packet.additionals ?? []).length > 0
        ? answerTo(question, [], { flags: answerFlags.formatError })
        : answerTo(question, [address('name.test', '192.0.2.1')]),
    ]);
    const { made, outcomes } = forwarder();
    expect(told(await made.forward(query, [server.name])).answers).toHaveLength(1);
    expect(outcomes).toEqual(['without-edns', 'answered']);
  });
});

describe('another server is asked', () => {
  test.each<[string, Behaviour]>([
    ['one fails', (question) => [answerTo(question, [], { flags: answerFlags.failed })]],
    ['one refuses', (question) => [answerTo(question, [], { flags: moreFlags.refused })]],
    ['one is silent', () => []],
    [
      'one’s answer is broken',
      (question) => {
        const reply = answerTo(question, [address('name.test', '192.0.2.9')]);
        return [reply.subarray(0, reply.length - 2)];
      },
    ],
  ])('when %s', async (_, behaviour) => {
    const [bad, good] = [await upstream(behaviour), await upstream(says('192.0.2.1'))];
    const { made } = forwarder();
    const reply = told(await made.forward(query, [bad.name, good.name]));
    expect(reply.answers).toMatchObject([{ data: '192.0.2.1' }]);
  });

  test('when there is no way to one', async () => {
    const good = await upstream(says('192.0.2.1'));
    const { made, outcomes } = forwarder();
    const reply = told(await made.forward(query, [noWay, good.name]));
    expect(reply.answers).toMatchObject([{ data: '192.0.2.1' }]);
    expect(outcomes).toEqual(['unreachable', 'answered']);
    const all = forwarder();
    expect(await all.made.forward(query, [noWay])).toEqual({ kind: 'failed' });
    expect(new Set(all.outcomes)).toEqual(new Set(['unreachable']));
  });

  test('and one that was silent is asked last for a while', async () => {
    const [silent, good] = [await upstream(() => []), await upstream(says('192.0.2.1'))];
    const { made } = forwarder();
    await made.forward(query, [silent.name, good.name]);
    await made.forward(queryFor('other.test'), [silent.name, good.name]);
    expect(silent.heard).toHaveLength(1);
    expect(good.heard).toHaveLength(2);
  });

  test('and when nobody listens, that is a failure at once', async () => {
    const server = await FakeUpstream.start(() => []);
    const { name } = server;
    await server.stop();
    const { made, outcomes } = forwarder();
    expect(await made.forward(query, [name])).toEqual({ kind: 'failed' });
    expect(new Set(outcomes)).toEqual(new Set(['unreachable']));
  });

  test('but not after one has said that there is no such name', async () => {
    const none = await upstream((question) => [
      answerTo(question, [], { flags: moreFlags.noSuchName, authorities: [soa('test', 900, 60)] }),
    ]);
    const other = await upstream(says('192.0.2.1'));
    const { made } = forwarder();
    const reply = told(await made.forward(query, [none.name, other.name]));
    expect(reply).toMatchObject({ rcode: 'NXDOMAIN', answers: [] });
    expect(other.heard).toHaveLength(0);
    // Kept as long as the SOA record says, and never long: the name may be a service's soon.
    expect(reply.authorities).toMatchObject([{ type: 'SOA', ttl: 30 }]);
    expect(made.cached(query, [none.name, other.name])).toBeDefined();
  });
});

describe('the same question', () => {
  test('is asked once for all who wait', async () => {
    const server = await upstream(says('192.0.2.1'));
    const { made } = forwarder();
    const all = await Promise.all(
      Array.from({ length: 50 }, () => made.forward(query, [server.name])),
    );
    expect(all.every(({ kind }) => kind === 'reply')).toBe(true);
    expect(server.heard).toHaveLength(1);
    expect(made.underWay).toBe(0);
  });

  test('of another type, or with signatures, is another', async () => {
    const server = await upstream(says('192.0.2.1'));
    const { made } = forwarder();
    const six = queryFor('name.test', { questions: [{ type: 'AAAA', name: 'name.test' }] });
    const signed = queryFor('name.test', {
      additionals: [{ ...opt, flags: 0x8000, flag_do: true }],
    });
    for (const each of [query, six, signed]) await made.forward(each, [server.name]);
    expect(server.heard).toHaveLength(3);
  });

  test('waits for no more than a bounded crowd', async () => {
    const server = await upstream(() => []);
    const { made } = forwarder();
    const questions = Array.from({ length: forwardLimits.questionsMax }, (_, at) =>
      made.forward(queryFor(`n${at}.test`), [server.name]),
    );
    expect(await made.forward(queryFor('one-more.test'), [server.name])).toEqual({ kind: 'busy' });
    await Promise.all(questions);
    expect(made.underWay).toBe(0);
  });
});
