import { parseArgs } from 'node:util';
import { errorMessage } from '@shoal/runtime';
import { parseArguments } from '../log/arguments.ts';
import { keepResult } from '../results.ts';
import { type Part, parts } from './parts.ts';

interface Arguments {
  readonly json: boolean;
  readonly rounds: number;
  readonly chosen: readonly Part[];
}

/** `--json`, `--rounds 3`, `--part dns`; @throws Error, one sentence, for what is none of these. */
function readArguments(args: readonly string[]): Arguments {
  const { values, tokens } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      part: { type: 'string', multiple: true, default: [] },
    },
    tokens: true,
  });
  const others = tokens.flatMap((token) =>
    token.kind === 'option' && token.name !== 'part'
      ? [token.value === undefined ? `--${token.name}` : `--${token.name}=${token.value}`]
      : [],
  );
  const chosen = values.part.map((name) => {
    const part = parts.find((each) => each.name === name);
    if (part !== undefined) return part;
    throw new Error(
      `there is no part ${name}; there are ${parts.map((each) => each.name).join(', ')}`,
    );
  });
  return { ...parseArguments(others), chosen: chosen.length === 0 ? parts : chosen };
}

async function run(): Promise<number> {
  let args: Arguments;
  try {
    args = readArguments(process.argv.slice(2));
  } catch (error) {
    console.error(errorMessage(error));
    return 2;
  }
  const missing = args.chosen.flatMap((part) => part.missing() ?? []);
  if (missing.length > 0) {
    console.error(missing.join('\n'));
    return 1;
  }
  const results: Record<string, unknown> = {};
  for (const part of args.chosen) {
    const { result, table } = await part.measure(args.rounds);
    keepResult(part.name, table);
    results[part.name] = result;
    if (!args.json) process.stdout.write(`${table}\n`);
  }
  if (args.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  return 0;
}

process.exitCode = await run();
