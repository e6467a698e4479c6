import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogFrames, type LogLine, logEntry } from './log-frames.ts';

function frame(stream: 1 | 2, text: string | Uint8Array): Uint8Array {
  const body = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const bytes = new Uint8Array(8 + body.length);
  bytes[0] = stream;
  new DataView(bytes.buffer).setUint32(4, body.length);
  bytes.set(body, 8);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

describe('a followed log', () => {
  test('is the same lines, however it is cut', () => {
    const line = fc.record({
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      text: fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n]/g, ' ')),
    });
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), cuts, (lines, at) => {
        const whole = joined(
          lines.map(({ stream, text }) => frame(stream === 'stdout' ? 1 : 2, `${text}\n`)),
        );
        const edges = [0, ...at.map((one) => Math.min(one, whole.length)), whole.length];
        edges.sort((a, b) => a - b);
        const frames = new LogFrames();
        const found: LogLine[] = [];
        edges.slice(1).forEach((end, index) => {
          found.push(...frames.add(whole.subarray(edges[index], end)));
        });
        expect(found).toEqual(lines);
      }),
    );
  });

  test('has lines over several frames, among which the other stream speaks, and within a letter', () => {
    const letter = new TextEncoder().encode('é\n');
    const frames = new LogFrames();
    const parts = [
      frame(1, 'a'),
      frame(2, 'other\r\n'),
      frame(1, letter.subarray(0, 1)),
      frame(1, letter.subarray(1)),
    ];
    expect(frames.add(joined(parts))).toEqual([
      { stream: 'stderr', text: 'other' },
      { stream: 'stdout', text: 'aé' },
    ]);
  });

  test('is told from what is none', () => {
    const bytes = new TextEncoder().encode('{"message":"no"}');
    expect(() => new LogFrames().add(bytes)).toThrow('a frame of');
  });
});

test.each([
  [
    '2026-11-23T14:00:00.1Z com.docker.swarm.node.id=n,com.docker.swarm.task.id=t1 hello you',
    { at: '2026-11-23T14:00:00.1Z', taskId: 't1', text: 'hello you' },
  ],
  [
    '2026-11-23T14:00:00Z com.docker.swarm.task.id=t1 ',
    { at: '2026-11-23T14:00:00Z', taskId: 't1', text: '' },
  ],
  [
    'warning: incomplete log stream',
    { at: '', taskId: '', text: 'warning: incomplete log stream' },
  ],
  ['', { at: '', taskId: '', text: '' }],
])('the line %j', (line, entry) => {
  expect(logEntry(line)).toEqual(entry);
});
