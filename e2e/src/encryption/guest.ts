/** Runs the suite of encrypted networks in a machine that has nothing else; a line for each case. */
import { errorMessage } from '@shoal/runtime';
import { cases } from './cases.ts';
import { World } from './world.ts';

/** Begins every line that is for the host. */
const marker = '@@ ';

function tell(fact: object): void {
  process.stdout.write(`${marker}${JSON.stringify(fact)}\n`);
}

/** A regular expression. */
const only = new RegExp(process.env['ONLY_CASE'] ?? '');
const world = new World();
try {
  await world.up();
  tell({ kind: 'step', what: 'hosts are built' });
  for (const { name, run } of cases) {
    if (!only.test(name)) continue;
    const begin = performance.now();
    let failure: string | undefined;
    try {
      await run(world);
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
