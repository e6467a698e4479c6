import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { Command, CommanderError, Option } from 'commander';
import { addAuditCommand } from './command/audit.ts';
import { addBackupCommands } from './command/backup.ts';
import { addCapacityCommand } from './command/capacity.ts';
import { addComposeCommands } from './command/compose.ts';
import { addDashboardCommand } from './command/dashboard.ts';
import { addDoctorCommand } from './command/doctor.ts';
import { down } from './command/down.ts';
import { disable, systemd } from './command/enable.ts';
import { addExplainCommand } from './command/explain.ts';
import { bench, images, runOne, simulate } from './command/foreground.ts';
import { logs } from './command/logs.ts';
import { addNetCommands } from './command/net.ts';
import { addPlanCommands } from './command/plan.ts';
import { addPruneCommand } from './command/prune.ts';
import { addRestartCommand } from './command/restart.ts';
import { addRevisionCommands } from './command/revisions.ts';
import { addSettingsCommands } from './command/settings.ts';
import { status } from './command/status.ts';
import { addStopCommands } from './command/stop.ts';
import { addSupportCommand } from './command/support.ts';
import { test } from './command/test.ts';
import { addTopCommand } from './command/top.ts';
import { up, upEnabled } from './command/up.ts';
import { defaultRunDir, type HostConfig, hostFlags, readHostConfig } from './host/config.ts';
import { repositoryRoot } from './host/layout.ts';
import { hostPlan } from './host/plan.ts';
import { runSupervisor } from './supervisor/run.ts';
import { CommandError, terminal } from './terminal.ts';

const exitUsage = 2;
const root = repositoryRoot();

function version(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string })
    .version;
}

const shoal = new Command('shoal')
  .description('Many Docker hosts as one, driven by the docker command line.')
  .version(version())
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'shoal:')) });

/** Adds what describes a host; each flag is also read from the environment (`SHOAL_DATA_DIR`). */
function withHostFlags(command: Command): Command {
  for (const { flag, value, about, fallback } of hostFlags) {
    const option = new Option(`${flag} <${value}>`, about);
    option.env(`SHOAL_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`);
    command.addOption(fallback === '' ? option : option.default(fallback));
  }
  return command;
}

function hostConfigOf(command: Command): { config: HostConfig; given: Set<keyof HostConfig> } {
  const given = new Set<keyof HostConfig>();
  const texts: Partial<Record<keyof HostConfig, string>> = {};
  for (const { key } of hostFlags) {
    const source = command.getOptionValueSource(key);
    if (source === undefined || source === 'default') continue;
    given.add(key);
    texts[key] = String(command.getOptionValue(key));
  }
  const outcome = readHostConfig(texts);
  if (outcome.kind === 'invalid') throw new CommandError(outcome.message, exitUsage);
  return { config: outcome.config, given };
}

const runDirOption = (): Option =>
  new Option('--run-dir <path>', 'where sockets and pid files are')
    .env('SHOAL_RUN_DIR')
    .default(defaultRunDir);

withHostFlags(shoal.command('up'))
  .description('start this host: engine, supervisor and processes')
  .option('--foreground', 'stay and supervise; Ctrl-C stops', false)
  .action(async (options: { foreground: boolean }, command: Command) =>
    up({ ...hostConfigOf(command), foreground: options.foreground }, systemd, terminal),
  );

withHostFlags(shoal.command('enable'))
  .description('start this host, and have systemd do so whenever the computer starts')
  .action((_options: object, command: Command) =>
    upEnabled(hostConfigOf(command).config, systemd, terminal),
  );

shoal
  .command('disable')
  .description('stop this host, and leave it stopped when the computer starts')
  .action(() => disable(systemd, terminal));

withHostFlags(shoal.command('supervise', { hidden: true })).action(
  async (_options: unknown, command: Command) => {
    const { config } = hostConfigOf(command);
    const outcome = await runSupervisor(config, hostPlan(config, root, process.execPath));
    if (outcome === 'taken') throw new CommandError('another supervisor has this run directory');
  },
);

shoal
  .command('down')
  .description('stop what up started; containers and state stay')
  .addOption(runDirOption())
  .action((options: { runDir: string }) => down(options.runDir, terminal));

shoal
  .command('status')
  .description('show the processes of this host')
  .addOption(runDirOption())
  .option('--json', 'for programs', false)
  .action(async (options: { runDir: string; json: boolean }) => {
    process.exitCode = await status(options.runDir, options.json, terminal);
  });

shoal
  .command('logs')
  .description('show what the processes say')
  .argument('[process]')
  .option('-f, --follow', 'go on as they say more', false)
  .option('-n, --lines <count>', 'lines from the end of each log', '200')
  .addOption(runDirOption().hideHelp())
  .addOption(
    new Option('--data-dir <path>', 'where state and logs are kept')
      .env('SHOAL_DATA_DIR')
      .default('/var/lib/shoal'),
  )
  .action(
    async (
      process: string | undefined,
      options: { follow: boolean; lines: string; dataDir: string },
    ) => {
      const lines = Number(options.lines);
      if (!Number.isInteger(lines) || lines < 1) {
        throw new CommandError(
          `--lines=${options.lines} does not do: must be 1 or more`,
          exitUsage,
        );
      }
      await logs({ dataDir: options.dataDir, process, follow: options.follow, lines }, terminal);
    },
  );

shoal
  .command('run')
  .description('run one process alone, in the foreground; its own flags follow')
  .argument('<process>')
  .argument('[flags...]')
  .passThroughOptions()
  .allowUnknownOption()
  .helpOption(false)
  .action(async (name: string, flags: readonly string[]) => {
    process.exitCode = await runOne(root, name, flags);
  });

shoal
  .command('test')
  .description('run the tests: all of them, or a suite (see CONTRIBUTING.md)')
  .argument('[suite]')
  .option('--ipvs', 'with networking: load balancing by IPVS, in a virtual machine', false)
  .action(async (suite: string | undefined, options: { ipvs: boolean }) => {
    if (options.ipvs && suite !== 'networking') {
      throw new CommandError(
        '--ipvs goes with networking: ./shoal test networking --ipvs',
        exitUsage,
      );
    }
    process.exitCode = await test(root, options.ipvs ? 'ipvs' : suite, terminal);
  });

shoal
  .command('bench')
  .description('run a benchmark, for example main-job --json')
  .argument('<name>')
  .argument('[flags...]')
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (name: string, flags: readonly string[]) => {
    process.exitCode = await bench(root, name, flags);
  });

shoal
  .command('simulate')
  .description('run simulated clusters under faults, for example --seeds 1000 or --hours 8')
  .argument('[flags...]')
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (flags: readonly string[]) => {
    process.exitCode = await simulate(root, flags);
  });

shoal
  .command('images')
  .description('make the container images of the processes, which deploy/compose runs')
  .argument(
    '[engine]',
    'unix:///var/run/docker.sock, for example; else DOCKER_HOST, else the default',
  )
  .action(async (engine: string | undefined) => {
    process.exitCode = await images(root, engine);
  });

addAuditCommand(shoal, terminal);
addBackupCommands(shoal, version(), terminal);
addCapacityCommand(shoal, terminal);
addComposeCommands(shoal, terminal, (code) => {
  process.exitCode = code;
});
addDashboardCommand(shoal, terminal);
addDoctorCommand(shoal, terminal);
addExplainCommand(shoal, terminal);
addNetCommands(shoal, terminal);
addPlanCommands(shoal, terminal);
addPruneCommand(shoal, terminal);
addStopCommands(shoal, terminal);
addRestartCommand(shoal, terminal);
addSupportCommand(shoal, version(), terminal);
addTopCommand(shoal, systemClock, terminal);
addRevisionCommands(shoal, terminal);
addSettingsCommands(shoal, terminal);

shoal
  .command('version')
  .description('show the version')
  .action(() => terminal.print(version()));

try {
  await shoal.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said what is wrong; asking for help is no error.
    process.exitCode = error.exitCode === 0 ? 0 : exitUsage;
  } else if (error instanceof CommandError) {
    terminal.say(error.message);
    process.exitCode = error.exitCode;
  } else {
    throw error;
  }
}
