// Whatever comes in: a query is understood as another implementation understands it, the rest is harmless.
import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseQuery } from './query.ts';

const opt = {
  ...{ type: 'OPT' as const, name: '.', udpPayloadSize: 4_096, extendedRcode: 0 },
  ...{ ednsVersion: 0, flags: 0x8000, flag_do: true, options: [] },
};

function packetOf(change: Partial<Packet> = {}): Buffer {
  const questions: Packet['questions'] = [{ type: 'A', name: 'Tasks.WEB' }];
  return encode({ type: 'query', id: 17, flags: 0x100, questions, ...change });
}

/** The same with some bytes changed. */
function changed(packet: Buffer, ...bytes: readonly (readonly [at: number, value: number])[]) {
  const copy = Buffer.from(packet);
  for (const [at, value] of bytes) copy[at] = value;
  return copy;
}

describe('a query', () => {
  test('is read', () => {
    const parsed = parseQuery(packetOf({ additionals: [opt] }));
    expect(parsed).toMatchObject({
      kind: 'query',
      query: {
        ...{ id: 17, flags: 0x100, name: 'tasks.web', type: 1, class: 1 },
        edns: { udpBytes: 4_096, signatures: true },
      },
    });
  });

  test('has the name that dns-packet reads, in lower case', () => {
    const label = fc.stringMatching(/^[!-,/-[\]-~]{1,63}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    fc.assert(
      fc.property(name, (asked) => {
        const packet = packetOf({ questions: [{ type: 'SRV', name: asked }] });
        const parsed = parseQuery(packet);
        const read = decode(packet).questions?.[0]?.name ?? '';
        expect(parsed.kind === 'query' && parsed.query.name).toBe(read.toLowerCase());
      }),
    );
  });

  test('may be for the root, and a dot within a label is none between two', () => {
    const root = Buffer.concat([packetOf().subarray(0, 12), Buffer.from([0, 0, 2, 0, 1])]);
    expect(parseQuery(root)).toMatchObject({ kind: 'query', query: { name: '', type: 2 } });
    const dotted = Buffer.from('\x03a.b\x00\x00\x01\x00\x01', 'latin1');
    const parsed = parseQuery(Buffer.concat([packetOf().subarray(0, 12), dotted]));
    expect(parsed).toMatchObject({ kind: 'query', query: { name: 'a\\.b' } });
  });
});

describe('what is no query', () => {
  const good = packetOf();
  const long = Buffer.concat([
    good.subarray(0, 12),
    ...Array.from({ length: 5 }, () => Buffer.concat([Buffer.from([60]), Buffer.alloc(60, 0x61)])),
    Buffer.from([0, 0, 1, 0, 1]),
  ]);
  const twice = packetOf({ additionals: [opt, opt] });
  const version = packetOf({ additionals: [{ ...opt, ednsVersion: 1 }] });
  test.each<[string, Buffer, ReturnType<typeof parseQuery>['kind'], number?]>([
    ['nothing', Buffer.alloc(0), 'drop'],
    ['half a header', good.subarray(0, 11), 'drop'],
    ['an answer', changed(good, [2, 0x81]), 'drop'],
    ['a notification', changed(good, [2, 0x21]), 'error', 4],
    ['no question', changed(good, [5, 0]), 'error', 1],
    ['two questions', changed(good, [5, 2]), 'error', 1],
    ['a question with an answer', changed(good, [7, 1]), 'error', 1],
    ['a question cut off', good.subarray(0, good.length - 1), 'error', 1],
    ['a name cut off', good.subarray(0, 15), 'error', 1],
    ['a pointer in the question', changed(good, [12, 0xc0]), 'error', 1],
    ['a label of an unknown kind', changed(good, [12, 0x40]), 'error', 1],
    ['a name that is too long', long, 'error', 1],
    ['records that are not there', changed(good, [11, 1]), 'error', 1],
    ['more records than anybody sends', changed(good, [9, 255]), 'error', 1],
    ['two OPT records', twice, 'error', 1],
    ['an unknown version of EDNS', version, 'error', 16],
  ])('%s', (_, packet, kind, rcode) => {
    const parsed = parseQuery(packet);
    expect(parsed.kind).toBe(kind);
    expect(parsed.kind === 'error' ? parsed.rcode : undefined).toBe(rcode);
  });
});
