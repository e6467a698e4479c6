import { logTable, measureLog } from './report.ts';

const result = await measureLog();
process.stdout.write(
  process.argv.includes('--json') ? `${JSON.stringify(result)}\n` : logTable(result),
);
