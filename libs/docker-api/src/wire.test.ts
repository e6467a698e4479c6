import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJson } from './json.ts';
import { logContentType, logLine, logPrefix, parseLogOptions } from './logs.ts';
import { parseTime, rfc3339Nano, rfc3339NanoFixed } from './time.ts';
import { maxVersion, splitVersion } from './version.ts';

describe('JSON', () => {
  test.each([
    ['{bad', "invalid character 'b' looking for beginning of object key string"],
    ['{"a":}', "invalid character '}' looking for beginning of value"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
    ['[1 2]', "invalid character '2' after array element"],
    ['{} {}', "invalid character '{' after top-level value"],
    ['{"a":', 'unexpected EOF'],
    ['nope', "invalid character 'n' looking for beginning of value"],
  ])('%s', (text, message) => {
    expect(() => parseJson(text)).toThrow(`invalid JSON: ${message}`);
  });

  test('never fails but with a refusal, and takes whatever JSON is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseJson(text);
        } catch (error) {
          expect(error).toHaveProperty('status', 400);
        }
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('versions', () => {
  test.each([
    ['/v1.41/info?x=1', 41, '/info?x=1'],
    ['/v1.50/services', 50, '/services'],
    ['/services', 50, '/services'],
  ])('%s', (url, minor, path) => {
    expect(splitVersion(url)).toMatchObject({ kind: 'path', version: { major: 1, minor }, path });
  });

  test('newer than what is spoken is answered as that, as far as versions are known', () => {
    expect(splitVersion('/v1.55/services')).toMatchObject({
      version: maxVersion,
      path: '/services',
    });
    expect(splitVersion('/v1.56/services')).toMatchObject({ kind: 'refused' });
  });

  test('too new and too old', () => {
    const refusal = (url: string) => {
      const split = splitVersion(url);
      return split.kind === 'refused' ? [split.error.message, split.plain] : [];
    };
    expect(refusal('/v1.99/info')).toEqual([
      'client version 1.99 is too new. Maximum supported API version is 1.50',
      false,
    ]);
    expect(refusal('/v1.11/info')).toEqual([
      'client version 1.11 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
      true,
    ]);
  });
});

describe('times', () => {
  test('trailing zeros are cut, or kept where the width is fixed', () => {
    expect(rfc3339Nano(1_000 as Instant)).toBe('1970-01-01T00:00:01Z');
    expect(rfc3339Nano(1_120 as Instant)).toBe('1970-01-01T00:00:01.12Z');
    expect(rfc3339NanoFixed({ seconds: 1, nanos: 5 })).toBe('1970-01-01T00:00:01.000000005Z');
  });

  test('what clients send as a time', () => {
    expect(parseTime('1795226564.000000123')).toEqual({ seconds: 1_795_226_564, nanos: 123 });
    expect(parseTime('2026-11-21T02:57:47.5Z')).toEqual({
      seconds: 1_795_229_867,
      nanos: 500_000_000,
    });
    expect(parseTime('')).toBeUndefined();
    expect(parseTime('0')).toEqual({ seconds: 0, nanos: 0 });
    expect(() => parseTime('yesterday')).toThrow('invalid syntax');
  });
});

describe('logs', () => {
  const origin = { nodeId: 'n', serviceId: 's', taskId: 't' };

  test('a frame carries one line with its details', () => {
    const time = { seconds: 0, nanos: 1 };
    expect(logPrefix(time, origin, '', { timestamps: true, details: true })).toBe(
      '1970-01-01T00:00:00.000000001Z com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t ',
    );
    expect(logPrefix(time, origin, 'a=b', { timestamps: false, details: false })).toBe('');
    const frame = logLine('stderr', 'a', Buffer.from('b'));
    expect([...frame]).toEqual([2, 0, 0, 0, 0, 0, 0, 2, 97, 98]);
  });

  test('attributes of the log driver stand among the details, in order; none hides where it runs', () => {
    const attributes = 'a=1,com.docker.swarm.node.id=other,z=%2C';
    expect(
      logPrefix({ seconds: 0, nanos: 0 }, origin, attributes, { timestamps: false, details: true }),
    ).toBe(
      'a=1,com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t,z=%2C ',
    );
  });

  test('without a frame a terminal is left as it is', () => {
    expect(logLine(undefined, '', Buffer.from([0, 255])).toString('hex')).toBe('00ff');
  });

  test.each([
    [{}, 'Bad parameters: you must choose at least one stream'],
    [{ stdout: '1', tail: 'x' }, 'tail value must be a positive integer or "all"'],
    [{ stdout: '1', tail: '-1' }, 'negative tail values not supported'],
    [
      { stdout: '1', since: 'noon' },
      'could not parse since timestamp: strconv.ParseInt: parsing "noon": invalid syntax',
    ],
  ])('%j', (query, message) => {
    expect(() => parseLogOptions(query)).toThrow(message);
  });

  test('zero is no time', () => {
    const query = { stdout: '1', since: '0', until: '0' };
    expect(parseLogOptions(query)).toMatchObject({ since: undefined, until: undefined });
  });

  test('content types', () => {
    expect(logContentType(maxVersion, false)).toBe('application/vnd.docker.multiplexed-stream');
    expect(logContentType(maxVersion, true)).toBe('application/vnd.docker.raw-stream');
    expect(logContentType({ major: 1, minor: 41 }, false)).toBe(
      'application/vnd.docker.raw-stream',
    );
  });
});
