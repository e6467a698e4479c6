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
  return [...chunks.map((chunk) => reader.push(chunk)), reader.end()].flatMap(
    ({ records }) => records,
  );
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
      const whole = Buffer.concat(
        lines.map(({ type, text }) => frame(type, `${stamp}  ${text}\n`)),
      );
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
    frame(1, `${stamp} a=b begin `),
    frame(2, `${stamp} a=b other\n`),
    frame(1, `2026-11-21T05:51:29Z a=b end\n`),
  ]);
  const rest = { time: moment, attributes: 'a=b' };
  expect(records).toEqual([
    { stream: 'stderr', ...rest, data: Buffer.from('other\n') },
    { stream: 'stdout', ...rest, data: Buffer.from('begin end\n') },
  ]);
});

test('a terminal has one stream and no frames', () => {
  const records = read(true, [Buffer.from(`${stamp} a=b x y\r\n${stamp}  z`)]);
  expect(records.map(({ data, attributes }) => `${attributes}|${data}`)).toEqual([
    'a=b|x y\r\n',
    '|z',
  ]);
});

test.each([false, true])('a long line of many messages is one line (terminal: %s)', (tty) => {
  const full = 'x'.repeat(16 << 10);
  const messages = [full, full, 'end\n'].map((text) => `${stamp}  ${text}`);
  const bytes = tty
    ? Buffer.from(messages.join(''))
    : Buffer.concat(messages.map((message) => frame(1, message)));
  const reader = new LogReader(tty);
  const { records, messages: count } = reader.push(bytes);
  expect(records.map(({ data }) => data.toString())).toEqual([`${full}${full}end\n`]);
  expect(count).toBe(3);
});

test('bytes that are no text stay as they are; a line without end is one at the end', () => {
  const binary = Buffer.from([0, 255, 0x20, 128, 0x0a]);
  const payload = Buffer.concat([Buffer.from(`${stamp}  `), binary]);
  const header = Buffer.alloc(8);
  header[0] = 1;
  header.writeUInt32BE(payload.length, 4);
  const records = read(false, [header, payload, frame(1, `${stamp}  no end`)]);
  expect(records.map(({ data }) => data.toString('hex'))).toEqual([
    binary.toString('hex'),
    Buffer.from('no end').toString('hex'),
  ]);
});

test.each([
  ['HTTP/1.1 500', 'not a log frame'],
  [frame(3, 'Error grabbing logs: broken file\n'), 'Error grabbing logs: broken file'],
])('%s: the engine cannot go on', (bytes, message) => {
  expect(() => read(false, [Buffer.from(bytes)])).toThrow(message);
});
