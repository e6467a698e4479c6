import { systemClock, systemRandom } from '@shoal/runtime';
import { decode, encode, type Packet } from 'dns-packet';
import { beforeEach, expect, test } from 'vitest';
import { hostNetwork, service, table, task } from '../testing/records.ts';
import { Forwarder } from '../upstream/forwarder.ts';
import { Zones } from '../zone/zones.ts';
import { Resolver } from './resolver.ts';

const web = service('web', { virtualIps: ['10.0.1.100'] });
const tasks = Array.from({ length: 5 }, (_, at) =>
  task(`t${at}`, `10.0.1.${at + 11}`, web, { slot: at + 1 }),
);

let zones: Zones;
let resolver: Resolver;
let seen: string[];

beforeEach(() => {
  zones = new Zones();
  zones.set('network-1', table(hostNetwork(1), tasks));
  seen = [];
  const [clock, random] = [systemClock, systemRandom];
  const nobody = () => Promise.resolve({ kind: 'unreachable' } as const);
  const exchange = { udp: nobody, tcp: nobody };
  const forwarder = new Forwarder({ exchange, clock, random, observe: () => undefined });
  resolver = new Resolver({
    ...{ zones, forwarder, clock, random },
    observe: (_transport, type, outcome) => seen.push(`${type} ${outcome}`),
  });
});

let id = 100;

async function ask(name: string, change: Partial<Packet> = {}) {
  id += 1;
  const questions: Packet['questions'] = [{ type: 'A', name }];
  const packet = encode({ type: 'query', id, flags: 0x100, questions, ...change });
  const origin = { networkId: 'network-1', address: '10.0.1.11', transport: 'udp' } as const;
  const answer = await resolver.answer(packet, origin);
  if (answer === undefined) throw new Error('no answer');
  const reply = decode(answer);
  expect(reply.id).toBe(id);
  return reply;
}

const addresses = ({ answers }: Packet) =>
  (answers ?? []).map((answer) => (answer.type === 'A' ? answer.data : answer.type));

test('the same question is answered alike a second time, with its own number', async () => {
  const first = await ask('web');
  expect(addresses(first)).toEqual(['10.0.1.100']);
  const second = await ask('web');
  expect({ ...second, id: 0 }).toEqual({ ...first, id: 0 });
  expect(seen).toEqual(['1 answered', '1 answered']);
});

test('tasks come in every order, each time all of them', async () => {
  const firsts = new Map<string, number>();
  const asked = 2_000;
  for (let turn = 0; turn < asked; turn += 1) {
    const found = addresses(await ask('tasks.web'));
    expect(new Set(found)).toEqual(new Set(tasks.map(({ addresses: [own] }) => own)));
    const [first] = found;
    if (first !== undefined) firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  for (const count of firsts.values()) {
    expect(count).toBeGreaterThan((asked / tasks.length) * 0.75);
    expect(count).toBeLessThan((asked / tasks.length) * 1.25);
  }
  expect(firsts.size).toBe(tasks.length);
});

test('what changes is answered at once', async () => {
  expect(addresses(await ask('tasks.web'))).toHaveLength(5);
  zones.set('network-1', table(hostNetwork(1), tasks.slice(0, 2)));
  expect(addresses(await ask('tasks.web'))).toHaveLength(2);
  zones.delete('network-1');
  await expect(ask('tasks.web')).rejects.toThrow('no answer');
});

test('of the same name another type, or with EDNS, is another question', async () => {
  expect(addresses(await ask('web'))).toHaveLength(1);
  const none = await ask('web', { questions: [{ type: 'AAAA', name: 'web' }] });
  expect(none.answers).toEqual([]);
  expect(await ask('web', { questions: [{ type: 'AAAA', name: 'web' }] })).toMatchObject({
    rcode: 'NOERROR',
    answers: [],
  });
  const additionals: Packet['additionals'] = [
    { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as never,
  ];
  expect((await ask('web', { additionals })).additionals).toHaveLength(1);
  expect((await ask('web')).additionals).toEqual([]);
});

test('services with ports are right a second time too', async () => {
  const questions: Packet['questions'] = [{ type: 'SRV', name: '_80._tcp.tasks.web' }];
  for (let turn = 0; turn < 3; turn += 1) {
    const { answers, additionals } = await ask('', { questions });
    expect(answers).toHaveLength(5);
    expect(additionals).toHaveLength(5);
  }
});
