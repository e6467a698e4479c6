import { kernelCommands } from '@shoal/overlay/kernel';
import { type Command, Option } from 'commander';
import { defaultEngine, defaultRunDir, hostConfig } from '../host/config.ts';
import { diagnose, type Finding, type Verdict } from '../host/diagnosis.ts';
import { hostStatus } from '../host/health.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';

/** Exit code when something stands in the way. */
const exitBad = 1;
/** Exit code when a flag is wrong. */
const exitUsage = 2;

const words: Readonly<Record<Verdict, string>> = { ok: 'ok', warn: 'warning', bad: 'MISSING' };

export function describeFindings(findings: readonly Finding[]): string {
  return formatTable([
    ['CHECK', 'STATE', 'DETAIL'],
    ...findings.map(({ check, verdict, detail }) => [check, words[verdict], detail]),
  ]);
}

export function addDoctorCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('doctor')
    .description('show what this host can do for networking, and what it lacks')
    .option('--json', 'for programs', false)
    .addOption(
      new Option('--engine <url>', 'the Docker Engine').env('SHOAL_ENGINE').default(defaultEngine),
    )
    .addOption(
      new Option('--run-dir <path>', 'where sockets and pid files are')
        .env('SHOAL_RUN_DIR')
        .default(defaultRunDir),
    )
    .action(async (options: { json: boolean; engine: string; runDir: string }) => {
      const checked = hostConfig.shape.engine.safeParse(options.engine);
      if (!checked.success) {
        const why = checked.error.issues[0]?.message ?? 'is not valid';
        throw new CommandError(`--engine=${options.engine} does not do: ${why}`, exitUsage);
      }
      const { processes } = await hostStatus(options.runDir);
      const running = processes.length > 0;
      const { engine } = options;
      const findings = await diagnose({ commands: kernelCommands(), engine, running });
      terminal.print(
        options.json ? JSON.stringify(findings, undefined, 2) : describeFindings(findings),
      );
      if (findings.some(({ verdict }) => verdict === 'bad')) process.exitCode = exitBad;
    });
}
