import { join } from 'node:path';
import { readHostConfig } from '../../host/config.ts';
import { supervisedMark } from '../../host/plan.ts';
import { runSupervisor } from '../run.ts';

// Supervises two tiny processes. The first word makes us look like the real command in /proc.
const [, directory = '', program = ''] = process.argv.slice(2);
const runDir = join(directory, 'run');
const outcome = readHostConfig({ runDir, dataDir: join(directory, 'data') });
if (outcome.kind === 'invalid') throw new Error(outcome.message);
const plan = (name: string) => ({
  name,
  program: process.execPath,
  args: [program, 'lives', name],
  bundle: program,
  env: { [supervisedMark]: runDir },
});
process.exitCode =
  (await runSupervisor(outcome.config, [plan('a'), plan('b')])) === 'taken' ? 9 : 0;
