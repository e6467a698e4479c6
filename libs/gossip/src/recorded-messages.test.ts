import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Clock, type Instant, invariant, type Monotonic, type Random } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { decodePacket, encodePacket } from './codec.ts';
import { decodeFrame, encodeFrame } from './frame.ts';
import { FrameSplitter, frameHead } from './frame-splitter.ts';
import { gossipKeyBytes, Keyring } from './keyring.ts';
import { frameBytesMax } from './limits.ts';
import type { Member, Standing } from './member.ts';
import { Membership } from './membership.ts';
import type { TableRecord } from './tables/record.ts';
import { Table } from './tables/table.ts';
import type { Answer, Frame, Packet, Probe, Question } from './transport.ts';

/**
 * Packets and messages as builds of before send them, sealed: hosts of different versions gossip with each
 * other while a cluster is upgraded. `RECORD=1 vitest run src/recorded-messages.test.ts` adds what the newest
 * recording lacks; see testdata/README.md.
 */
const recordings = ['sealed-format-1.txt'] as const;
const newest = recordings[0];

const member = (id: string, host: string, standing: Standing, incarnation: number): Member => ({
  ...{ id, addr: { host, port: 7946 } },
  ...{ incarnation, standing },
});
const members: readonly Member[] = [
  member('node-1', '10.0.0.1', 'alive', 0),
  member('node-2', 'fd00::2', 'suspect', 3),
  member('node-3', '10.0.0.3', 'dead', 2 ** 32 - 1),
  member('node-4', '10.0.0.4', 'left', 1),
];
const written: TableRecord = {
  ...{ owner: 'node-1', id: 'task-1', time: 2 ** 52 },
  ...{ value: Buffer.from('{"name":"web.1"}'), ageMs: 1_500 },
};
const withdrawn: TableRecord = {
  ...{ owner: 'node-2', id: 'task-2', time: 1 },
  ...{ value: undefined, ageMs: 0 },
};
const hosts = { network: '', records: [{ ...withdrawn, value: Buffer.alloc(0) }] };
const web = { network: 'net-1', records: [written, withdrawn] };
const digest = '0123456789abcdef';

function packet(probe: Probe | undefined, rest: Partial<Packet> = {}): Packet {
  return { from: 'node-1', probe, rumours: [], tables: [], ...rest };
}

const packets = {
  ping: packet({ kind: 'ping', sequence: 7, target: 'node-2' }),
  'ping-request': packet({
    ...{ kind: 'ping-request', sequence: 2 ** 32 - 1, target: 'node-2' },
    addr: { host: 'fd00::2', port: 7946 },
  }),
  ack: packet({ kind: 'ack', sequence: 7 }),
  nack: packet({ kind: 'nack', sequence: 0 }),
  news: packet(undefined, {
    rumours: members.map((one) => ({ ...one, from: 'node-1' })),
    tables: [hosts, web],
  }),
} satisfies Record<Probe['kind'] | 'news', Packet>;

const questions = {
  reach: { kind: 'reach', target: 'node-2', digest },
  members: { kind: 'members', list: members },
  digests: {
    kind: 'digests',
    tables: [
      { network: '', digest },
      { network: 'net-1', digest: '0000000000000000' },
    ],
  },
  records: { kind: 'records', tables: [{ ...web, owners: ['node-1', 'node-2'] }] },
  push: { kind: 'push', news: web },
} satisfies Record<Question['kind'], Question>;

const answers = {
  reached: { kind: 'reached', same: true },
  members: { kind: 'members', list: members },
  owners: {
    kind: 'owners',
    tables: [
      { network: '', absent: false, owners: new Map([['node-1', digest]]) },
      { network: 'net-1', absent: true, owners: new Map() },
    ],
  },
  records: { kind: 'records', tables: [hosts, web] },
  pushed: { kind: 'pushed' },
} satisfies Record<Answer['kind'], Answer>;

const hello: Frame = { kind: 'hello', self: member('node-1', '10.0.0.1', 'alive', 5) };
const anybody: Question = { kind: 'reach', target: 'node-2', digest: '' };

/** By the name in the recording. What is here stays as it is; what is new has a new name. */
const said: ReadonlyMap<string, Packet | Frame> = new Map<string, Packet | Frame>([
  ...Object.entries(packets).map(([name, one]) => [`packet ${name}`, one] as const),
  ['hello', hello],
  ...Object.entries(questions).map(([name, one]) => [`question ${name}`, asked(one)] as const),
  ['question reach, members untold', asked(anybody)],
  ...Object.entries(answers).map(([name, one]) => [`answer ${name}`, answered(one)] as const),
]);

function asked(question: Question): Frame {
  return { kind: 'question', sequence: 9, question };
}

function answered(answer: Answer): Frame {
  return { kind: 'answer', sequence: 9, answer };
}

const key = { number: 65_539, key: new Uint8Array(gossipKeyBytes).fill(3) };
/** The nonce is always the same, so that equal messages have equal bytes. */
const random: Random = { next: () => 0.5, bytes: (count) => new Uint8Array(count).fill(7) };
const ring = new Keyring(random, [key], key.number);

/** As it travels: a packet alone, a message behind its length. */
function sent(one: Packet | Frame): Buffer {
  if (!('kind' in one)) return Buffer.from(ring.seal(encodePacket(one)));
  const sealed = ring.seal(encodeFrame(one));
  return Buffer.concat([frameHead(sealed.length), sealed]);
}

/** What was sealed. */
function opened(name: string, bytes: Buffer): Uint8Array {
  const plain = ring.open(name.startsWith('packet ') ? bytes : firstFrame(bytes));
  invariant(plain !== undefined, 'what was recorded can be opened', { name });
  return plain;
}

function firstFrame(bytes: Buffer): Uint8Array {
  const splitter = new FrameSplitter();
  splitter.push(bytes);
  const sealed = splitter.next(frameBytesMax);
  invariant(Buffer.isBuffer(sealed), 'a whole message was recorded');
  return sealed;
}

function decoded(name: string, plain: Uint8Array): Packet | Frame | undefined {
  return name.startsWith('packet ') ? decodePacket(plain) : decodeFrame(plain);
}

/** Field 1000 of a protobuf message, which no build knows. */
const unknownField = Buffer.of(0xc0, 0x3e, 1);

/** A line for each: its name, a colon, its bytes in base64. */
function readRecording(file: string): readonly (readonly [string, Buffer])[] {
  const path = pathOf(file);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const [name = '', bytes = ''] = line.split(': ');
    return [name, Buffer.from(bytes, 'base64')];
  });
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../testdata/${file}`, import.meta.url));
}

if (process.env['RECORD'] === '1') {
  const recorded = new Map(readRecording(newest));
  for (const [name, one] of said) if (!recorded.has(name)) recorded.set(name, sent(one));
  const lines = [...recorded].map(([name, bytes]) => `${name}: ${bytes.toString('base64')}\n`);
  writeFileSync(pathOf(newest), lines.join(''));
}

describe.each(recordings)('what was recorded in %s', (file) => {
  test.each(readRecording(file))(
    'is understood, also with what a newer build adds: %s',
    (name, bytes) => {
      expect(said.has(name)).toBe(true);
      const plain = opened(name, bytes);
      expect(decoded(name, plain)).toEqual(said.get(name));
      const newer = Buffer.concat([plain, unknownField]);
      expect(decoded(name, newer)).toEqual(said.get(name));
    },
  );
});

test("today's build says the same in the same bytes", () => {
  const today = [...said].map(([name, one]) => `${name}: ${sent(one).toString('base64')}`);
  const recorded = readFileSync(pathOf(newest), 'utf8').trimEnd().split('\n');
  expect(today.sort()).toEqual(recorded.sort());
});

/** Hosts whose digests differ compare everything, again and again: these are of SHA-256, worked out apart. */
describe('what hosts compare by is the same on all versions', () => {
  test('the digest of records', () => {
    const table = new Table();
    const writtenAt = 0 as Monotonic;
    table.set('node-1', 'task-1', { ...written, writtenAt });
    expect([...table.digestsOf(new Set(['node-1']))]).toEqual([['node-1', '74af2a41be027f2c']]);
    table.set('node-1', 'task-2', { ...withdrawn, writtenAt });
    table.set('node-1', 'task-3', { time: 2, value: Buffer.alloc(0), writtenAt });
    expect([...table.digestsOf(new Set(['node-1']))]).toEqual([['node-1', 'b4e83fa184077cce']]);
  });

  test('the digest of members', () => {
    const clock: Clock = {
      now: () => 0 as Instant,
      monotonic: () => 0 as Monotonic,
      after: () => ({ cancel: () => undefined }),
    };
    const [self, ...others] = members;
    invariant(self !== undefined, 'there is a first');
    const membership = new Membership({
      ...{ id: self.id, addr: self.addr, clock, random },
      transport: { send: () => undefined, ask: async () => undefined },
      changed: () => undefined,
    });
    membership.answerSync(others);
    expect(membership.digest()).toBe('8e384b9ab5e43474');
    membership.stop();
  });
});
