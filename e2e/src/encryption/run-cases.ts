/** Runs cases in a machine that has nothing else; a line for each on its console, as `runMachine` reads them. */
import { errorMessage } from '@shoal/runtime';

export interface CaseOf<World> {
  readonly name: string;
  run(world: World): Promise<void>;
}

/** Begins every line that is for the computer outside. */
const marker = '@@ ';

function tell(fact: object): void {
  process.stdout.write(`${marker}${JSON.stringify(fact)}\n`);
}

export function tellStep(what: string): void {
  tell({ kind: 'step', what });
}

/** A regular expression. */
const only = new RegExp(process.env['ONLY_CASE'] ?? '');

/** Builds a world and runs the cases in it, then ends the process. `explain` is printed after a failure. */
export async function runCases<World>(
  world: World,
  up: (world: World) => Promise<void>,
  cases: readonly CaseOf<World>[],
  explain: () => string = () => '',
): Promise<never> {
  try {
    await up(world);
    for (const { name, run } of cases) {
      if (!only.test(name)) continue;
      const begin = performance.now();
      let failure: string | undefined;
      try {
        await run(world);
      } catch (error) {
        failure = said(error);
        console.log(explain());
      }
      tell({ kind: 'case', name, ms: Math.round(performance.now() - begin), failure });
    }
  } catch (error) {
    console.log(explain());
    tell({ kind: 'broken', reason: said(error) });
  }
  tell({ kind: 'end' });
  process.exit();
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return errorMessage(error);
  const cause = error.cause === undefined ? '' : `\nbecause: ${said(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
