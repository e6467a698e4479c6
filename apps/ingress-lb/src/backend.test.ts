import { afterAll, beforeAll, beforeEach, describe, test } from 'vitest';
import { hasSctp } from './testing/sctp.ts';
import { cases } from './testing/suite.ts';
import { World } from './testing/world.ts';

/** A part of the questions: the whole number is asked where machines have been built anyway. */
const scale = 0.3;
/** Long enough for a busy machine; the whole file takes seconds. */
const caseMsMax = 120_000;

describe.runIf(process.getuid?.() === 0)('nftables, over real namespaces', () => {
  const world = new World({ kind: 'nftables', prefix: `slb${process.pid}` });
  beforeAll(() => world.up(), caseMsMax);
  afterAll(() => world.down(), caseMsMax);
  beforeEach(() => world.reset(), caseMsMax);
  for (const { name, needs, run } of cases) {
    test.runIf(needs === undefined || hasSctp())(name, () => run(world, scale), caseMsMax);
  }
});
