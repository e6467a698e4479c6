import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  CallTemplate,
  encodeFrame,
  flags,
  frameTypes,
  prefixed,
  putRequest,
  splitFrames,
} from './http2-frames.ts';

it('finds the frames again, however the bytes arrive', () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
  fc.assert(
    fc.property(payloads, fc.nat(2_000), (sent, cut) => {
      const bytes = Buffer.concat(
        sent.map((payload, at) => encodeFrame(frameTypes.data, 0, at + 1, Buffer.from(payload))),
      );
      const first = splitFrames(bytes.subarray(0, cut));
      const second = splitFrames(Buffer.concat([first.rest, bytes.subarray(cut)]));
      const found = [...first.frames, ...second.frames];
      expect(found.map(({ stream }) => stream)).toEqual(sent.map((_, at) => at + 1));
      expect(found.map(({ payload }) => [...payload])).toEqual(sent.map((each) => [...each]));
      expect(second.rest).toHaveLength(0);
    }),
  );
});

it('makes a call of its own of the template each time', () => {
  const template = new CallTemplate('127.0.0.1:1', '/a.B/C', Buffer.from('hello'));
  for (const stream of [1, 70_001]) {
    const { frames } = splitFrames(template.call(stream));
    expect(frames.map(({ type, stream: of }) => [type, of])).toEqual([
      [frameTypes.headers, stream],
      [frameTypes.data, stream],
    ]);
    expect(frames[1]?.flags).toBe(flags.endStream);
    expect(frames[1]?.payload).toEqual(prefixed(Buffer.from('hello')));
  }
});

it('encodes a put as protobuf does', () => {
  const message = putRequest(Buffer.from('key'), Buffer.alloc(256, 'x'));
  expect(message.subarray(0, 8).toString('hex')).toBe('0a036b6579128002');
  expect(message).toHaveLength(8 + 256);
});
