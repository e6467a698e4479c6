// What comes in may be anything; what goes out is an answer, short, and to nobody who did not ask.
import { systemClock, systemRandom } from '@shoal/runtime';
import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventually } from '../testing/ask.ts';
import { hostNetwork, service, table, task } from '../testing/records.ts';
import type { Exchange } from '../upstream/exchange.ts';
import { Forwarder } from '../upstream/forwarder.ts';
import { Zones } from '../zone/zones.ts';
import { type Outcome, Resolver, waitingMax } from './resolver.ts';

const many = service('many', { mode: 'dnsrr' });
const web = service('web', { virtualIps: ['10.0.1.100'] });
const records = [
  task('w', '10.0.1.11', web),
  ...Array.from({ length: 200 }, (_, at) =>
    task(`m${at}`, `10.0.2.${at + 1}`, many, { slot: at + 1 }),
  ),
];

/** Nobody out there. */
const silence: Exchange = {
  udp: () => Promise.resolve({ kind: 'unreachable' }),
  tcp: () => Promise.resolve({ kind: 'unreachable' }),
};

function resolver(change: Parameters<typeof hostNetwork>[1] = {}, exchange = silence) {
  const zones = new Zones();
  zones.set('network-1', table(hostNetwork(1, change), records));
  const outcomes: Outcome[] = [];
  const [clock, random] = [systemClock, systemRandom];
  const forwarder = new Forwarder({ exchange, clock, random, observe: () => undefined });
  const made = new Resolver({
    ...{ zones, forwarder, clock, random },
    observe: (_transport, _type, outcome) => outcomes.push(outcome),
  });
  const ask = async (packet: Buffer, transport: 'udp' | 'tcp' = 'udp', address = '10.0.1.11') =>
    made.answer(packet, { networkId: 'network-1', address, transport });
  return { ask, outcomes };
}

function packetOf(name: string, change: Partial<Packet> = {}): Buffer {
  const questions: Packet['questions'] = [{ type: 'A', name }];
  return encode({ type: 'query', id: 99, flags: 0x100, questions, ...change });
}

async function replyTo(packet: Buffer, change: Parameters<typeof hostNetwork>[1] = {}) {
  const { ask, outcomes } = resolver(change);
  const answer = await ask(packet);
  return { reply: answer === undefined ? undefined : decode(answer), outcome: outcomes[0] };
}

test('one client alone cannot take the places of all', async () => {
  const ends: (() => void)[] = [];
  const never: Exchange['udp'] = () =>
    new Promise((resolve) => ends.push(() => resolve({ kind: 'unreachable' })));
  const { ask } = resolver({}, { udp: never, tcp: never });
  const rcodeOf = async (packet: Promise<Buffer | undefined>) => ((await packet)?.[3] ?? 0) & 0xf;
  const greedy = Array.from({ length: waitingMax }, (_, at) => ask(packetOf(`n${at}.example`)));
  expect(await rcodeOf(ask(packetOf('one-more.example')))).toBe(2);
  const other = ask(packetOf('other.example'), 'udp', '10.0.1.12');
  // It waits with the others, for the upstream alone.
  expect(ends).toHaveLength(waitingMax + 1);
  let over = false;
  void Promise.all([...greedy, other]).then(() => {
    over = true;
  });
  await eventually('all are answered', () => {
    for (const end of ends.splice(0)) end();
    return over || undefined;
  });
  expect(await rcodeOf(ask(packetOf('web')))).toBe(0);
});

describe('a query', () => {
  test('for a service is answered with authority', async () => {
    const { reply, outcome } = await replyTo(packetOf('web'));
    expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: true, answers: [{ ttl: 60 }] });
    expect(outcome).toBe('answered');
  });

  test('for more than fits is answered in part over UDP, and whole over TCP', async () => {
    const { ask } = resolver();
    const part = decode((await ask(packetOf('many'))) ?? Buffer.alloc(0));
    expect(part.flag_tc).toBe(true);
    expect(part.answers?.length).toBeGreaterThan(25);
    const whole = decode((await ask(packetOf('many'), 'tcp')) ?? Buffer.alloc(0));
    expect(whole.flag_tc).toBe(false);
    expect(whole.answers).toHaveLength(200);
  });

  test('for the outside that nobody can answer is a failure, never that there is no such name', async () => {
    const { reply, outcome } = await replyTo(packetOf('example.com'));
    expect(reply).toMatchObject({ rcode: 'SERVFAIL' });
    expect(outcome).toBe('failed');
  });

  test('for the outside is refused where the network has no way out, so that another is asked', async () => {
    const { reply, outcome } = await replyTo(packetOf('example.com'), { internal: true });
    expect(reply).toMatchObject({ rcode: 'REFUSED' });
    expect(outcome).toBe('refused');
  });

  test('for a transfer or another class is refused', async () => {
    const transfer = packetOf('web', { questions: [{ type: 'AXFR', name: 'web' }] });
    expect((await replyTo(transfer)).reply).toMatchObject({ rcode: 'REFUSED' });
    const chaos = packetOf('web', {
      questions: [{ type: 'TXT', class: 'CH', name: 'version.bind' }],
    });
    expect((await replyTo(chaos)).reply).toMatchObject({ rcode: 'REFUSED' });
  });

  test('of ourselves is answered without anything', async () => {
    const check = packetOf('', {
      questions: [{ type: 'TXT', class: 'CH', name: 'self-check.shoal' }],
    });
    expect((await replyTo(check)).reply).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  test('from an address outside of the network is not answered at all', async () => {
    const { ask, outcomes } = resolver();
    expect(await ask(packetOf('web'), 'udp', '198.51.100.7')).toBeUndefined();
    expect(outcomes).toEqual(['dropped']);
  });
});

test('20 000 damaged packets: no throw, no answer to an answer, none longer than 512 bytes or to its like', async () => {
  const { ask } = resolver();
  const seeds = [
    packetOf('web'),
    packetOf('many'),
    packetOf('_80._tcp.web'),
    packetOf('x.example'),
  ];
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 });
  const cut = fc.option(fc.nat({ max: 40 }), { nil: 0 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...seeds), damage, cut, async (seed, changes, less) => {
      const packet = Buffer.from(seed.subarray(0, Math.max(0, seed.length - less)));
      for (const [at, value] of changes) if (packet.length > 0) packet[at % packet.length] = value;
      const answer = await ask(packet);
      if (answer === undefined) return;
      expect(packet.length).toBeGreaterThanOrEqual(12);
      expect(packet.readUInt16BE(2) & 0x8000).toBe(0);
      const read = decode(answer);
      expect(read.type).toBe('response');
      const sizes = read.additionals?.some(({ type }) => type === 'OPT') === true ? 1_232 : 512;
      expect(answer.length).toBeLessThanOrEqual(sizes);
      // What makes no sense is answered with less than was sent, but for the OPT that says so.
      if (((answer[3] ?? 0) & 0xf) === 1) expect(answer.length).toBeLessThanOrEqual(packet.length);
    }),
    { numRuns: 20_000 },
  );
});
