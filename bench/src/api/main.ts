import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repository } from '@shoal/e2e/engine';
import { errorMessage } from '@shoal/runtime';
import { keepResult } from '../results.ts';
import { measureCreates, measureLists, type Sizes } from './parts.ts';
import { isMet, type Row, rowLine, tableHead } from './row.ts';

const parts = {
  lists: measureLists,
  'creates-1': (sizes: Sizes) => measureCreates(1, sizes),
  'creates-3': (sizes: Sizes) => measureCreates(3, sizes),
} as const;
type PartName = keyof typeof parts;
const partNames = Object.keys(parts) as PartName[];

const crowdMin = 2_000;
const crowdMax = 1_000_000;

interface Arguments extends Sizes {
  readonly json: boolean;
  readonly chosen: readonly PartName[];
}

/** @throws Error, one sentence, for what is no argument of this benchmark. */
function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '2' },
      crowd: { type: 'string', default: '50000' },
      part: { type: 'string', multiple: true, default: [] },
    },
  });
  const wrong = values.part.find((name) => !partNames.includes(name as PartName));
  if (wrong !== undefined)
    throw new Error(`there is no part ${wrong}; there are ${partNames.join(', ')}`);
  const chosen = values.part.length === 0 ? partNames : (values.part as PartName[]);
  const rounds = whole('rounds', values.rounds, 1, 100);
  return {
    json: values.json,
    rounds,
    crowd: whole('crowd', values.crowd, crowdMin, crowdMax),
    chosen,
  };
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`--${name} takes a whole number from ${min} to ${max}, not ${text}`);
}

/** What is missing on this machine, a sentence; undefined when all is there. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'this benchmark makes network namespaces: run it as root';
  if (!existsSync(join(repository, 'apps/api/dist/main.mjs')))
    return 'the processes are not built: nx run-many -t bundle';
  try {
    execFileSync('dockerd', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no dockerd to compare with: apt-get install docker.io';
  }
}

function table(rows: readonly Row[]): string {
  const engine = execFileSync('dockerd', ['--version'], { encoding: 'utf8' });
  const version = /version ([^,]+)/.exec(engine)?.[1] ?? 'unknown';
  return [
    `Shoal and the Swarm mode of Docker Engine ${version}, in turns on ${cpus().length} cores, asked by one client process over unix sockets. CPU is that of all processes of all managers, until they are at rest again: where the machine has other work, that is what can be compared.`,
    '',
    ...tableHead,
    ...rows.map(rowLine),
    '',
  ].join('\n');
}

async function run(): Promise<number> {
  let args: Arguments;
  try {
    args = readArguments(process.argv.slice(2));
  } catch (error) {
    console.error(errorMessage(error));
    return 2;
  }
  const lacking = missing();
  if (lacking !== undefined) {
    console.error(lacking);
    return 1;
  }
  const rows: Row[] = [];
  for (const name of args.chosen) rows.push(...(await parts[name](args)));
  if (args.chosen.length === partNames.length) keepResult('api', table(rows));
  const met = rows.map((one) => ({ ...one, met: isMet(one) ?? null }));
  process.stdout.write(args.json ? `${JSON.stringify({ rows: met })}\n` : table(rows));
  return 0;
}

process.exitCode = await run();
