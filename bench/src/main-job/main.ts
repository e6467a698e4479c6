import { keepResult } from '../results.ts';
import { mainJobTable, measureMainJob } from './report.ts';

const result = await measureMainJob();
const table = mainJobTable(result);
keepResult('main-job', table);
process.stdout.write(process.argv.includes('--json') ? `${JSON.stringify(result)}\n` : table);
