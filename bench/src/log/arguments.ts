import { parseArgs } from 'node:util';

export interface Arguments {
  readonly json: boolean;
  /** Runs of each side at each point; the best counts. */
  readonly rounds: number;
}

const roundsDefault = 3;
const roundsMax = 100;

/** @throws Error, one sentence, for what is no argument of this benchmark. */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean', default: false }, rounds: { type: 'string' } },
  });
  const rounds = values.rounds === undefined ? roundsDefault : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > roundsMax)
    throw new Error(`--rounds takes a whole number from 1 to ${roundsMax}, not ${values.rounds}`);
  return { json: values.json, rounds };
}
