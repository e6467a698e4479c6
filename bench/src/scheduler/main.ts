import { keepResult } from '../results.ts';
import { measureScheduler, schedulerTable } from './report.ts';

const json = process.argv.includes('--json');
const results = await measureScheduler(
  (row) => {
    if (!json) process.stderr.write(`${JSON.stringify(row)}\n`);
  },
  (line) => process.stderr.write(`${line}\n`),
);
const table = schedulerTable(results);
keepResult('scheduler', table);
process.stdout.write(json ? `${JSON.stringify(results)}\n` : table);
