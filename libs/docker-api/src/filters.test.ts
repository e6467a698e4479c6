import { describe, expect, test } from 'vitest';
import { ApiError } from './errors.ts';
import { eventPasses, type SwarmEvent } from './events.ts';
import { hasStoredLabels, parseFilters, valuesAmong } from './filters.ts';

describe('the filters of a query', () => {
  test.each([
    ['{"a":{"x":true,"y":true}}', ['x', 'y']],
    ['{"a":{"x":false}}', ['x']],
    ['{"a":["x","y"]}', ['x', 'y']],
    ['{"a":null}', []],
  ])('%s', (text, values) => {
    expect(parseFilters(text).get('a')).toEqual(values);
  });

  test.each(['', 'null', '{}'])('%j asks for nothing', (text) => {
    expect(parseFilters(text).size).toBe(0);
  });

  test.each(['[]', '1', '"a"', '{', '{"a":1}', '{"a":"x"}', '{"a":{"x":1}}', '{"a":[1]}'])(
    '%s is none',
    (text) => {
      expect(() => parseFilters(text)).toThrow('invalid filter');
    },
  );

  test('a key that the list does not have', () => {
    expect(() => parseFilters('{"b":["x"]}', ['a'])).toThrow("invalid filter 'b'");
  });
});

describe('labels as the cluster store filters them', () => {
  const labels = { tier: 'front', empty: '' };
  test.each([
    ['["tier"]', true],
    ['["tier="]', true],
    ['["tier=front"]', true],
    ['["tier=back"]', false],
    ['["tier=back","tier=front"]', true],
    ['["tier","none"]', false],
    ['["empty"]', true],
  ])('%s', (wanted, passes) => {
    const filters = parseFilters(`{"label":${wanted}}`);
    expect(hasStoredLabels(filters, 'label', labels)).toBe(passes);
  });

  test('nothing has no labels', () => {
    expect(hasStoredLabels(parseFilters('{"label":["a"]}'), 'label', undefined)).toBe(false);
  });
});

describe('values of which there are few', () => {
  const known = ['worker', 'manager'];
  const among = (text: string) => valuesAmong(parseFilters(text), 'role', known);

  test('are read in any case, empty ones count as none', () => {
    expect(among('{"role":["MANAGER"]}')).toEqual(new Set(['manager']));
    expect(among('{"role":[""]}')).toBeUndefined();
    expect(among('{}')).toBeUndefined();
  });

  test("others are refused in Docker's words", () => {
    const refused = (() => {
      try {
        among('{"role":["x"]}');
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    expect(refused).toBeInstanceOf(ApiError);
    expect(refused).toMatchObject({ status: 500, message: "Invalid role filter: 'x'" });
  });
});

describe('events', () => {
  const event: SwarmEvent = {
    Type: 'service',
    Action: 'update',
    Actor: { ID: 'abcdef', Attributes: { name: 'web', 'replicas.new': '3' } },
    scope: 'swarm',
    time: 1,
    timeNano: 1_000_000_000,
  };
  test.each([
    ['{}', true],
    ['{"type":["service"]}', true],
    ['{"type":["node"]}', false],
    ['{"event":["update","create"]}', true],
    ['{"scope":["local"]}', false],
    ['{"service":["web"]}', true],
    ['{"service":["we"]}', true],
    ['{"service":["abc"]}', true],
    ['{"service":["other"]}', false],
    ['{"network":["other"]}', false],
    ['{"container":["c1"]}', false],
    ['{"image":["web"]}', false],
    ['{"label":["replicas.new=3"]}', true],
    ['{"label":["tier"]}', false],
    ['{"bogus":["x"]}', true],
  ])('%s', (text, passes) => {
    expect(eventPasses(parseFilters(text), event)).toBe(passes);
  });
});
