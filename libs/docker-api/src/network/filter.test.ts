import { describe, expect, test } from 'vitest';
import { parseFilters } from '../filters.ts';
import { networkFilter } from './filter.ts';

const network = {
  Id: 'abc123',
  Name: 'app_front',
  Driver: 'overlay',
  Scope: 'swarm',
  Labels: { tier: 'front' },
  inUse: true,
};

describe('a filter of networks', () => {
  test.each<[object, boolean]>([
    [{}, true],
    [{ name: ['front'] }, true],
    [{ name: ['^app'] }, true],
    [{ name: ['front$'] }, true],
    [{ name: ['^front'] }, false],
    [{ name: ['app$'] }, false],
    [{ name: ['^app_front$'] }, true],
    [{ name: ['^app_fron$'] }, false],
    [{ name: ['back', 'front'] }, true],
    // A pattern is taken as it is written: one that could run for ever runs not at all.
    [{ name: ['(a+)+$'] }, false],
    [{ id: ['c12'] }, true],
    [{ id: ['^c12'] }, false],
    [{ driver: ['over'] }, false],
    [{ scope: ['local'] }, false],
    [{ scope: ['local', 'swarm'] }, true],
    [{ label: ['tier'] }, true],
    [{ label: ['tier=front'] }, true],
    [{ label: ['tier=back'] }, false],
    [{ type: ['builtin'] }, false],
    [{ type: ['custom'] }, true],
    [{ dangling: ['true'] }, false],
    [{ dangling: ['0'] }, true],
    [{ dangling: ['0'], name: ['back'] }, false],
  ])('%j', (filters, expected) => {
    expect(networkFilter(parseFilters(JSON.stringify(filters)))(network)).toBe(expected);
  });

  test('what every engine has is never dangling', () => {
    const isDangling = networkFilter(parseFilters('{"dangling":["true"]}'));
    expect(isDangling({ ...network, inUse: false })).toBe(true);
    expect(isDangling({ ...network, Name: 'bridge', inUse: false })).toBe(false);
  });
});
