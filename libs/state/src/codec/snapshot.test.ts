import type { LogIndex } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { State, StateFormatError, snapshotChunkBytes } from '../index.ts';
import { applyNext, commit, imageOf, restored } from '../testing/bytes.ts';
import { create, meta, node, remove, transaction, update } from '../testing/objects.ts';

function populated(nodes = 3): State {
  const state = new State();
  for (let n = 0; n < nodes; n += 1)
    commit(state, transaction(`t${n}`, [create('node', node(`n${n}`, {}, 'x'.repeat(200)))]));
  return state;
}

/** Frames in the format of a snapshot. */
function framed(...contents: readonly unknown[]): Uint8Array {
  return Buffer.concat(
    contents.flatMap((content) => {
      const json = Buffer.from(JSON.stringify(content));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(json.length);
      return [length, json];
    }),
  );
}

const header = { format: 'shoal-state', schema: 1, index: 7, time: 1 };
const stored = { ...node('n1'), meta: meta(3) };

describe('a snapshot', () => {
  test('is an image of the moment it was asked for, while later entries are applied', () => {
    const state = populated(2_000);
    const { index, chunks } = state.snapshot();
    const expected = imageOf(state);
    const parts: Uint8Array[] = [];
    let number = 0;
    for (const chunk of chunks) {
      parts.push(chunk);
      commit(state, transaction(`late${number}`, [create('node', node(`late${number}`))]));
      const first = { ...node('n5'), meta: meta(number === 0 ? 6 : state.view.index - 1) };
      commit(
        state,
        transaction(`more${number}`, [remove('node', `n${1_999 - number}`, 2_000 - number)]),
      );
      if (number === 0) commit(state, transaction('upd', [update('node', first)]));
      number += 1;
    }
    expect(number).toBeGreaterThan(2);
    expect(index).toBe(2_000);
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
  });

  test('comes in chunks of bounded size', () => {
    const sizes = Array.from(populated(2_000).snapshot().chunks, (chunk) => chunk.length);
    expect(sizes.slice(0, -1).every((size) => size === snapshotChunkBytes)).toBe(true);
    expect(sizes.at(-1)).toBeLessThanOrEqual(snapshotChunkBytes);
  });

  test('carries index and time, and the log goes on from there', () => {
    const state = populated();
    const copy = restored(imageOf(state), 1);
    expect(copy.view.index).toBe(3);
    expect(copy.time).toBe(state.time);
    expect(() => copy.advance(3 as LogIndex)).toThrow(/twice or out of order/);
    expect(applyNext(copy).index).toBe(4);
  });

  test('keeps the view valid and replaces everything', () => {
    const state = new State();
    commit(state, transaction('old', [create('node', node('old'))]));
    const { view } = state;
    const restore = state.restore();
    restore.push(imageOf(populated()));
    expect(view.nodes.get('old')).toBeDefined();
    restore.finish();
    expect(view.nodes.get('old')).toBeUndefined();
    expect(Array.from(view.nodes.values(), ({ id }) => id)).toEqual(['n0', 'n1', 'n2']);
  });

  test.each([
    ['no schema', framed({ ...header, schema: 0 }), /schema 0/],
    ['an unknown schema', framed({ ...header, schema: 9 }), /schema 9.*knows up to 2/],
    ['something else', framed({ hello: 1 }), /header is missing/],
    ['no end', framed(header), /cut off/],
    ['an end in the middle', imageOf(populated()).subarray(0, 700), /cut off/],
    ['a wrong count', framed(header, { records: 1 }), /has 0 records and says 1/],
    ['more after its end', framed(header, { records: 0 }, { records: 0 }), /after its end/],
    ['an unknown table', framed(header, { table: 'x', object: {} }), /unknown table x/],
    [
      'a malformed object',
      framed(header, { table: 'node', object: { id: 'a' } }),
      /node a: no spec/,
    ],
    ['an object without meta', framed(header, row({ meta: {} })), /n1 has no meta/],
    ['an object twice', framed(header, row(), row()), /node n1 comes twice/],
    ['no JSON', Buffer.from('\0\0\0\x01{'), /cannot be read/],
    ['an endless frame', Buffer.from('\xff\xff\xff\xff', 'latin1'), /a frame of 4294967295 bytes/],
  ])('with %s is refused and leaves the old state', (_case, image, message) => {
    const state = populated(1);
    const before = imageOf(state);
    const attempt = (): void => {
      const restore = state.restore();
      restore.push(image);
      restore.finish();
    };
    expect(attempt).toThrow(StateFormatError);
    expect(attempt).toThrow(message);
    expect(imageOf(state).equals(before)).toBe(true);
  });
});

function row(overrides: object = {}): object {
  return { table: 'node', object: { ...stored, ...overrides } };
}
