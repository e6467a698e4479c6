import type { Instant, LogIndex } from '@shoal/runtime';
import type { Config, Secret } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { parseFilters } from '../filters.ts';
import {
  checkTemplatingVersion,
  type DocumentKind,
  documentBytesMax,
  parseNewDocument,
} from './request.ts';
import { configShape, documentFilter, secretShape } from './shape.ts';

const invalid = 'rpc error: code = InvalidArgument desc = ';
const base64 = (bytes: number): string => Buffer.alloc(bytes, 1).toString('base64');

function refusal(kind: DocumentKind, body: unknown): { status: number; message: string } {
  try {
    parseNewDocument(kind, body);
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, message: error.message };
    throw error;
  }
  return { status: 201, message: '' };
}

describe('a new secret or config', () => {
  test.each(['secret', 'config'] as const)(
    '%s: content of 1 byte to just below its bound',
    (kind) => {
      const bytesMax = documentBytesMax[kind];
      const of = (bytes: number) => refusal(kind, { Name: 'a', Data: base64(bytes) });
      expect(of(1).status).toBe(201);
      expect(of(bytesMax - 1).status).toBe(201);
      const message = `${invalid}${kind} data must be larger than 0 and less than ${bytesMax} bytes`;
      expect(of(0)).toEqual({ status: 400, message });
      expect(of(bytesMax)).toEqual({ status: 400, message });
    },
  );

  test.each([
    [
      'bad name',
      'invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]',
    ],
    [
      '-a',
      'invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]',
    ],
    [
      'a'.repeat(65),
      'invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]',
    ],
    ['', 'name must be provided'],
  ])('name %j is refused', (Name, message) => {
    expect(refusal('secret', { Name, Data: base64(1) })).toEqual({
      status: 400,
      message: invalid + message,
    });
  });

  test.each(['a', 'a'.repeat(64), 'a.b-c_d', 'A1'])('name %j is taken', (Name) => {
    expect(refusal('config', { Name, Data: base64(1) }).status).toBe(201);
  });

  test('from a plugin that is not there', () => {
    for (const Driver of [{}, { Name: '' }])
      expect(refusal('secret', { Name: 'a', Driver })).toMatchObject({
        message: expect.stringContaining('secret driver must have a name'),
      });
    expect(refusal('secret', { Name: 'a', Driver: { Name: 'nope' } })).toEqual({
      status: 500,
      message: 'rpc error: code = Unknown desc = plugin "nope" not found',
    });
  });

  test('in an unknown template language', () => {
    const body = { Name: 'a', Data: base64(1), Templating: { Name: 'jinja' } };
    expect(refusal('config', body).message).toContain('templating driver "jinja" is not known');
  });

  test('keeps labels, template language and bytes', () => {
    const { spec, data } = parseNewDocument('secret', {
      Name: 'a',
      Labels: { b: 'c' },
      Data: 'AP8=',
      Templating: { Name: 'golang' },
    });
    expect(spec).toEqual({ Name: 'a', Labels: { b: 'c' }, Templating: { Name: 'golang' } });
    expect([...data]).toEqual([0, 255]);
  });
});

test('a template needs a client that knows of templates', () => {
  const body = { Name: 'a', Data: base64(1), Templating: { Name: 'golang' } };
  const check = (minor: number, given: object) => () =>
    checkTemplatingVersion('config', given, { major: 1, minor });
  expect(check(36, body)).toThrow(
    'config templating is not supported on the specified API version: 1.36',
  );
  expect(check(37, body)).not.toThrow();
  expect(check(25, { Name: 'a' })).not.toThrow();
});

const meta = { version: 7 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
const spec = { Name: 'one', Labels: { a: 'b' } };
const secret: Secret = { id: 'id1', meta, spec, data: { sealed: 'c2VhbGVk' } };
const config: Config = { id: 'id2', meta, spec, data: 'AP8=' };

describe('what clients see', () => {
  test('of a secret: nothing of its content', () => {
    expect(JSON.stringify(secretShape(secret))).not.toContain('c2VhbGVk');
    expect(secretShape(secret)).toMatchObject({ ID: 'id1', Version: { Index: 7 }, Spec: spec });
  });

  test('of a config: its content too', () => {
    expect(configShape(config).Spec).toMatchObject({ ...spec, Data: 'AP8=' });
  });

  test.each([
    ['', true],
    ['{"name":["o"]}', true],
    ['{"name":["x"]}', false],
    ['{"names":["one"]}', true],
    ['{"names":["on"]}', false],
    ['{"id":["id"]}', true],
    ['{"name":["x"],"id":["id1"]}', true],
    ['{"label":["a"]}', true],
    ['{"label":["a=c"]}', false],
    ['{"name":["o"],"label":["a=c"]}', false],
  ])('under the filter %s', (text, shown) => {
    expect(documentFilter(parseFilters(text))(secret)).toBe(shown);
  });
});
