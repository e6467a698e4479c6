/** Runs the suite over IPVS in a machine that has nothing else; tells of each case in a line of its own. */

import { join } from 'node:path';
import { chooseBalancer, kernelCommands, probeNetworkCapabilities } from '@shoal/overlay/kernel';
import { errorMessage } from '@shoal/runtime';
import { cases } from './suite.ts';
import { World } from './world.ts';

/** Begins every line that is for the host. */
const marker = '@@ ';

function tell(fact: object): void {
  process.stdout.write(`${marker}${JSON.stringify(fact)}\n`);
}

/** For one tool, milliseconds: here a second is what a few hundredths are elsewhere. */
const commandMsMax = 120_000;
/** A regular expression. */
const only = new RegExp(process.env['ONLY_CASE'] ?? '');
/** Emulated, a connection takes milliseconds. */
const scale = 0.2;
const capabilities = await probeNetworkCapabilities(kernelCommands(), 'probe');
tell({ kind: 'chosen', backend: chooseBalancer(capabilities), capabilities });
const world = new World({
  kind: 'ipvs',
  prefix: 'w',
  program: join(import.meta.dirname, 'peer.mjs'),
  commandMsMax,
  step: (what) => tell({ kind: 'step', what }),
});
try {
  await world.up();
  for (const { name, isWhole, run } of cases) {
    if (!only.test(name)) continue;
    const begin = performance.now();
    let failure: string | undefined;
    try {
      await world.reset();
      await run(world, isWhole === true ? 1 : scale);
    } catch (error) {
      failure = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error);
    }
    tell({ kind: 'case', name, ms: Math.round(performance.now() - begin), failure });
  }
} catch (error) {
  tell({ kind: 'broken', reason: errorMessage(error) });
}
tell({ kind: 'end' });
process.exit();
