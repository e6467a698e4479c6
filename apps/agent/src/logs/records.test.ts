import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatMoment, LogReader, type LogRecord, parseMoment } from './records.ts';

const stamp = '2026-11-21T05:51:28.797592576Z';
const moment = { seconds: Date.parse('2026-11-21T05:51:28Z') / 1_000, nanos: 797_592_576 };

function frame(type: number, text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function read(tty: boolean, chunks: readonly Buffer[]): LogRecord[] {
  const reader = new LogReader(tty);
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()];
}

test('times keep their nanoseconds', () => {
  expect(parseMoment(stamp)).toEqual(moment);
  expect(parseMoment('2026-11-21T05:51:28Z')).toEqual({ ...moment, nanos: 0 });
  expect(parseMoment('yesterday')).toBeUndefined();
  expect(formatMoment({ seconds: 5, nanos: 7 })).toBe('5.000000007');
});

test('however the stream is cut, the same lines come out', () => {
  const line = fc.record({
    type: fc.constantFrom(1, 2),
    text: fc.string({ maxLength: 30 }).map((text) => text.replaceAll('\n', ' ')),
  });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), (lines, cut) => {
      const whole = Buffer.concat(lines.map(({ type, text }) => frame(type, `${stamp} ${text}\n`)));
      const chunks: Buffer[] = [];
      for (let from = 0; from < whole.length; from += cut)
        chunks.push(whole.subarray(from, from + cut));
      expect(read(false, chunks).map(({ stream, data }) => [stream, data.toString()])).toEqual(
        lines.map(({ type, text }) => [type === 1 ? 'stdout' : 'stderr', `${text}\n`]),
      );
    }),
  );
});

test('a line that the engine had to split is one line, with the time of its beginning', () => {
  const records = read(false, [
    frame(1, `${stamp} begin `),
    frame(2, `${stamp} other\n`),
    frame(1, `2026-11-21T05:51:29Z end\n`),
  ]);
  expect(records).toEqual([
    { stream: 'stderr', time: moment, data: Buffer.from('other\n') },
    { stream: 'stdout', time: moment, data: Buffer.from('begin end\n') },
  ]);
});

test('a terminal has one stream and no frames', () => {
  const records = read(true, [Buffer.from(`${stamp} a\r\n${stamp} b`)]);
  expect(records.map(({ stream, data }) => `${stream} ${data}`)).toEqual([
    'stdout a\r\n',
    'stdout b',
  ]);
});

test('what is no log stream is refused', () => {
  expect(() => read(false, [Buffer.from('HTTP/1.1 500')])).toThrow('not a log frame');
});
