import { beforeAll, describe, expect, test } from 'vitest';
import type { MachineOutcome } from '../../ipvs/console.ts';
import { cases } from './cases.ts';
import { hereMsMax, runHere } from './here.ts';
import { productSuite } from './suite.ts';

/** Packages may have to be downloaded first. */
const prepareMsMax = 300_000;

describe('encrypted networks of real services on two hosts with engines', () => {
  let outcome: MachineOutcome;
  beforeAll(async () => {
    outcome = await runHere(productSuite, (line) => console.log(line));
  }, prepareMsMax + hereMsMax);

  test('the suite comes to its end', () => {
    expect(outcome.broken, outcome.console).toBeUndefined();
  });

  test.each(cases.map(({ name }) => name))('%s', (name) => {
    const result = outcome.results.find((each) => each.name === name);
    expect(result?.failure, outcome.console).toBeUndefined();
    expect(result).toBeDefined();
  });
});
