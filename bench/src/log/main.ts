import { errorMessage } from '@shoal/runtime';
import { keepResult } from '../results.ts';
import { type Arguments, parseArguments } from './arguments.ts';
import { etcdMissing } from './etcd-processes.ts';
import { compareLog, comparisonTable } from './log-result.ts';

async function run(): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    console.error(errorMessage(error));
    return 2;
  }
  const missing = etcdMissing();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const result = await compareLog(args.rounds);
  const table = comparisonTable(result);
  keepResult('log', table);
  process.stdout.write(args.json ? `${JSON.stringify(result)}\n` : table);
  return 0;
}

process.exitCode = await run();
