import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mainJobTable, measureMainJob } from './report.ts';

const result = await measureMainJob();
const table = mainJobTable(result);
const day = new Date().toISOString().slice(0, 10);
writeFileSync(
  join(import.meta.dirname, '../../RESULTS.md'),
  `# Newest results\n\n## main-job, ${day}\n\n${table}`,
);
process.stdout.write(process.argv.includes('--json') ? `${JSON.stringify(result)}\n` : table);
