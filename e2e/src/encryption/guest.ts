/** Runs the suite of encrypted networks in a machine that has nothing else; a line for each case. */
import { cases } from './cases.ts';
import { runCases, tellStep } from './run-cases.ts';
import { World } from './world.ts';

await runCases(
  new World(),
  async (world) => {
    await world.up();
    tellStep('hosts are built');
  },
  cases,
);
