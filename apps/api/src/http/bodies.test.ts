import { PassThrough } from 'node:stream';
import { FakeClock } from '@shoal/stage/testing';
import { beforeEach, expect, test } from 'vitest';
import { allBytesMax, Bodies, bodyBytesMax, bodyMsMax } from './bodies.ts';

let clock: FakeClock;
let bodies: Bodies;

beforeEach(() => {
  clock = new FakeClock();
  bodies = new Bodies(clock);
});

test('a body comes in pieces, cut anywhere', async () => {
  const stream = new PassThrough();
  const read = bodies.read(stream);
  const text = Buffer.from('{"a":"é"}');
  stream.write(text.subarray(0, 7));
  stream.end(text.subarray(7));
  expect(await read).toBe('{"a":"é"}');
  expect(bodies.bytes).toBe(0);
});

test('one that is too large is refused, and what comes behind is dropped', async () => {
  const stream = new PassThrough();
  const read = bodies.read(stream);
  stream.write(Buffer.alloc(bodyBytesMax));
  stream.write(Buffer.alloc(1));
  await expect(read).rejects.toMatchObject({ status: 413 });
  expect(bodies.bytes).toBe(0);
  stream.end(Buffer.alloc(100_000));
  await new Promise((resolve) => stream.on('end', resolve));
});

test('many together are refused beyond a bound, and are taken again when others have ended', async () => {
  const streams = Array.from({ length: allBytesMax / bodyBytesMax }, () => new PassThrough());
  const reads = streams.map((stream) => bodies.read(stream));
  const large = Buffer.alloc(bodyBytesMax);
  for (const stream of streams) stream.write(large);
  const late = new PassThrough();
  const refused = bodies.read(late);
  late.write(Buffer.alloc(1));
  await expect(refused).rejects.toMatchObject({ status: 503 });
  for (const stream of streams) stream.end();
  await Promise.all(reads);
  const next = new PassThrough();
  const taken = bodies.read(next);
  next.end('x');
  expect(await taken).toBe('x');
});

test('one that does not end is given up', async () => {
  const read = bodies.read(new PassThrough());
  clock.advance(bodyMsMax);
  await expect(read).rejects.toMatchObject({ status: 408 });
});

test('one whose sender goes away is forgotten', async () => {
  const stream = new PassThrough();
  const read = bodies.read(stream);
  stream.write('x');
  stream.destroy(new Error('reset'));
  await expect(read).rejects.toMatchObject({ status: 400 });
  expect(bodies.bytes).toBe(0);
});
