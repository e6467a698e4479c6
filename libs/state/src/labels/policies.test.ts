import { describe, expect, it } from 'vitest';
import { affinityOf, affinityTermsMax, checkAffinityLabels } from './affinity.ts';
import { checkDependencyLabels, dependenciesOf } from './dependencies.ts';
import { checkPlacementLabels, flagOf, priorityOf, rankOf } from './placement.ts';

describe('labels of placement', () => {
  it.each([
    ['spread', 'spread'],
    ['free', 'free'],
    ['binpack', 'binpack'],
    ['Free', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('rank %s is read as %s', (text, rank) => {
    expect(rankOf(text)).toBe(rank);
  });

  it.each([
    ['0', 0],
    ['1000', 1_000],
    ['-1000', -1_000],
    ['1001', undefined],
    ['-1001', undefined],
    ['1.5', undefined],
    ['high', undefined],
    ['', undefined],
  ])('priority %s is read as %s', (text, priority) => {
    expect(priorityOf(text)).toBe(priority);
  });

  it.each([
    ['true', true],
    ['false', false],
    ['yes', undefined],
  ])('flag %s is read as %s', (text, flag) => {
    expect(flagOf(text)).toBe(flag);
  });

  it.each([
    ['shoal.rank', 'best', 'spread, free or binpack'],
    ['shoal.priority', '9999', 'a whole number from -1000 to 1000'],
    ['shoal.image-locality', 'on', 'true or false'],
    ['shoal.volume-sticky', '1', 'true or false'],
  ])('%s=%s is refused in one sentence', (name, value, allowed) => {
    expect(checkPlacementLabels({ [name]: value })).toBe(
      `label ${name}="${value}" is invalid: must be ${allowed}`,
    );
  });

  it('are fine when well formed or of others', () => {
    expect(checkPlacementLabels({ 'shoal.rank': 'free', 'com.example.rank': 'x' })).toBeUndefined();
  });
});

describe('labels of affinity', () => {
  it('name services, softly unless they say otherwise', () => {
    const labels = {
      'shoal.affinity': 'cache, db:hard',
      'shoal.anti-affinity': 'self:hard,web:soft',
    };
    expect(checkAffinityLabels(labels)).toBeUndefined();
    expect(affinityOf(labels)).toEqual({
      near: [
        { name: 'cache', hard: false },
        { name: 'db', hard: true },
      ],
      away: [
        { name: 'self', hard: true },
        { name: 'web', hard: false },
      ],
    });
  });

  it.each(['', 'db:', 'db:harder', ',db', 'a b', 'db,'])(
    '%j is refused, and ignored in the log',
    (text) => {
      const labels = { 'shoal.affinity': text };
      expect(checkAffinityLabels(labels)).toContain(`label shoal.affinity="${text}" is invalid`);
      expect(affinityOf(labels).near).toEqual([]);
    },
  );

  it('know self only where it means something', () => {
    expect(checkAffinityLabels({ 'shoal.affinity': 'self' })).toContain('shoal.anti-affinity only');
    expect(checkAffinityLabels({ 'shoal.anti-affinity': 'self' })).toBeUndefined();
  });

  it('are bounded', () => {
    const names = Array.from({ length: affinityTermsMax + 1 }, (_, at) => `s${at}`);
    expect(checkAffinityLabels({ 'shoal.affinity': names.join() })).toBeDefined();
    expect(checkAffinityLabels({ 'shoal.affinity': names.slice(1).join() })).toBeUndefined();
  });
});

describe('labels of dependencies', () => {
  it('name services and what must be true of them, started unless said otherwise', () => {
    const labels = {
      'shoal.depends-on': 'db:healthy,migrate:completed, cache,db',
      'shoal.depends-on.recheck': 'true',
    };
    expect(checkDependencyLabels(labels)).toBeUndefined();
    expect(dependenciesOf(labels)).toEqual({
      all: [
        { name: 'db', condition: 'healthy' },
        { name: 'migrate', condition: 'completed' },
        { name: 'cache', condition: 'started' },
      ],
      recheck: true,
    });
  });

  it.each(['', 'db:ready', 'db:healthy:x', 'a b'])(
    '%j is refused, and ignored in the log',
    (text) => {
      const labels = { 'shoal.depends-on': text };
      expect(checkDependencyLabels(labels)).toContain(
        `label shoal.depends-on="${text}" is invalid`,
      );
      expect(dependenciesOf(labels).all).toEqual([]);
    },
  );

  it('say when recheck is no truth value', () => {
    expect(checkDependencyLabels({ 'shoal.depends-on.recheck': 'always' })).toBe(
      'label shoal.depends-on.recheck="always" is invalid: must be true or false',
    );
  });
});
