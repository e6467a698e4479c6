import { beforeAll, describe, expect, test } from 'vitest';
import type { MachineOutcome } from '../ipvs/console.ts';
import { machineMsMax, runMachine } from '../ipvs/machine.ts';
import { cases } from './cases.ts';

/** Packages are downloaded before the machine begins. */
const prepareMsMax = 300_000;

const suite = {
  programs: {
    guest: 'e2e/src/encryption/guest.ts',
    host: 'e2e/src/encryption/host.ts',
    peer: 'apps/ingress-lb/src/testing/peer.ts',
  },
};

describe('encrypted networks, on Debian’s kernel in a machine of its own', () => {
  let outcome: MachineOutcome;
  beforeAll(async () => {
    outcome = await runMachine(suite, (line) => console.log(line));
  }, prepareMsMax + machineMsMax);

  test('the suite comes to its end', () => {
    expect(outcome.broken, outcome.console).toBeUndefined();
  });

  test.each(cases.map(({ name }) => name))('%s', (name) => {
    const result = outcome.results.find((each) => each.name === name);
    expect(result?.failure, outcome.console).toBeUndefined();
    expect(result).toBeDefined();
  });
});
