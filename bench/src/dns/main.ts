import { errorMessage } from '@shoal/runtime';
import { type Arguments, parseArguments } from '../log/arguments.ts';
import { keepResult } from '../results.ts';
import { dnsTable, measureDns } from './dns-result.ts';
import { dnsMissing } from './servers.ts';

async function run(): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    console.error(errorMessage(error));
    return 2;
  }
  const missing = dnsMissing();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const result = await measureDns(args.rounds);
  const table = dnsTable(result);
  keepResult('dns', table);
  process.stdout.write(args.json ? `${JSON.stringify(result)}\n` : table);
  return 0;
}

process.exitCode = await run();
