import { cases } from '@shoal/ingress-lb/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import type { MachineOutcome } from './console.ts';
import { machineMsMax, runMachine } from './machine.ts';

/** Packages are downloaded before the machine begins. */
const prepareMsMax = 300_000;

const folder = 'apps/ingress-lb/src/testing';
const suite = { programs: { guest: `${folder}/guest.ts`, peer: `${folder}/peer.ts` } };

describe('IPVS, on Debian’s kernel in a machine of its own', () => {
  let outcome: MachineOutcome;
  beforeAll(async () => {
    outcome = await runMachine(suite, (line) => console.log(line));
  }, prepareMsMax + machineMsMax);

  test('the trial chooses IPVS, and the suite comes to its end', () => {
    expect(outcome.broken, outcome.console).toBeUndefined();
    expect(outcome.backend).toBe('ipvs');
  });

  test.each(cases.map(({ name }) => name))('%s', (name) => {
    const result = outcome.results.find((each) => each.name === name);
    expect(result?.failure, outcome.console).toBeUndefined();
    expect(result).toBeDefined();
  });
});
