import { expect, test } from 'vitest';
import { BodyReader, readHead } from './http-answer.ts';

test('a head is read once it is whole', () => {
  const text = 'HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length: 5\r\n\r\nabcde';
  expect(readHead(Buffer.from(text.slice(0, 40)))).toBeUndefined();
  const head = readHead(Buffer.from(text));
  expect(head).toEqual({ status: 201, bytes: text.length - 5, length: 5 });
});

test('chunks are taken wherever they are cut', () => {
  const text = '5\r\nabcde\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n';
  for (let first = 0; first <= text.length; first += 1)
    for (let second = first; second <= text.length; second += 1) {
      const body = new BodyReader({ length: undefined }, true);
      const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
      const given = pieces.filter((piece) => piece !== '');
      const whole = given.map((piece) => body.take(Buffer.from(piece)));
      expect(whole).toEqual(given.map((_, at) => at === given.length - 1));
      expect(body.text).toBe('abcde0123456789abcdef');
      expect(body.bytes).toBe(21);
    }
});
