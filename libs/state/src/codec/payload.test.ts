import { EntryPayload } from '@shoal/proto/entry';
import type { Instant, LogIndex } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import {
  decodePayload,
  encodePayload,
  encodeTransaction,
  State,
  StateFormatError,
} from '../index.ts';
import { create, node, transaction } from '../testing/objects.ts';

const encoded = encodeTransaction(transaction('one', [create('node', node('n1'))]));

describe('the payload of an entry', () => {
  test('comes back as it was, its time in whole milliseconds', () => {
    const payload = encodePayload(1_760_000_000_000.9 as Instant, [encoded, encoded]);
    const decoded = decodePayload(payload);
    if (decoded.kind !== 'ok') throw new Error(decoded.message);
    expect(decoded.time).toBe(1_760_000_000_000);
    expect(decoded.transactions.map((bytes) => [...bytes])).toEqual([[...encoded], [...encoded]]);
  });

  test('of the first schema is read as well', () => {
    const plain = new TextEncoder().encode(
      JSON.stringify(transaction('one', [create('node', node('n1'))])),
    );
    const old = EntryPayload.encode({ schema: 1, timeMs: 7, transactions: [Buffer.from(plain)] });
    const state = new State();
    state.apply(1 as LogIndex, old.finish());
    expect(state.view.nodes.get('n1')).toBeDefined();
  });

  test.each([
    ['an unknown schema', schema(3), 'unknown-schema', /schema 3.*knows up to 2.*newer/],
    ['no schema', new Uint8Array(0), 'unknown-schema', /schema 0/],
    [
      'a cut payload',
      encodePayload(1 as Instant, [encoded]).subarray(0, 30),
      'malformed',
      /not an/,
    ],
    ['a malformed transaction', payloadOf('{}'), 'malformed', /id of 1 to/],
  ])('with %s stops the replica before anything changes', (_case, payload, kind, message) => {
    const state = new State();
    let thrown: unknown;
    try {
      state.apply(1 as LogIndex, payload);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(StateFormatError);
    expect(thrown).toMatchObject({ kind, message: expect.stringMatching(message) });
    expect(state.view.index).toBe(0);
    expect(state.view.nodes.size).toBe(0);
  });
});

function schema(number: number): Uint8Array {
  return EntryPayload.encode({ schema: number, timeMs: 1, transactions: [] }).finish();
}

function payloadOf(json: string): Uint8Array {
  return encodePayload(1 as Instant, [encoded, new TextEncoder().encode(json)]);
}
