import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { z } from 'zod';
import {
  dockerEngine,
  ensurePrograms,
  networkTools,
  recommendedTools,
  testPrograms,
} from '../host/preflight.ts';
import { CommandError, type Terminal } from '../terminal.ts';

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** A step counts as one test; a vitest run as the tests in it. */
type Suite = {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly kind: 'step' | 'vitest';
  /** Folder under the root it runs in. */
  readonly directory: string;
  /** Whether it drives a Docker Engine. */
  readonly needsEngine: boolean;
};

const step = (name: string, program: string, ...args: readonly string[]): Suite => ({
  name,
  program,
  args,
  kind: 'step',
  directory: '',
  needsEngine: false,
});
const verbose = '--reporter=verbose';
/** Vitest would leave a processor to somebody else: half of two. */
const oneEach = '--maxWorkers=100%';
const vitest = (name: string, directory: string, ...args: readonly string[]): Suite => ({
  name,
  program: 'vitest',
  args: ['run', ...args],
  kind: 'vitest',
  directory,
  needsEngine: false,
});
/** Its tests take seconds each: every one has a line of its own as it ends. */
const endToEnd = (name: string, ...args: readonly string[]): Suite => ({
  ...vitest(name, 'e2e', verbose, ...args),
  needsEngine: true,
});

/** Vitest projects that are suites of their own. */
const slowProjects = [
  ...['simulation', 'e2e', 'managers', 'scheduling', 'networking', 'clients'],
  ...['ipvs', 'encryption', 'sizes', 'machines', 'network-driver', 'chaos', 'differential'],
];

/** Fast ones first: a formatting slip shows in seconds. */
const defaultSuites: readonly Suite[] = [
  step('lint', 'biome', 'ci', '.'),
  step('tidy', 'node', 'tools/tidy.ts'),
  step('types', 'tsc', '-b'),
  vitest(
    'unit',
    '',
    oneEach,
    '--reporter=default',
    ...slowProjects.map((name) => `--project=!${name}`),
  ),
  vitest('simulation', 'e2e', oneEach, verbose, '--config=vitest.simulation.config.ts'),
  endToEnd('e2e'),
  endToEnd('managers', '--config=vitest.managers.config.ts'),
  endToEnd('scheduling', '--config=vitest.scheduling.config.ts'),
  endToEnd('networking', '--config=vitest.networking.config.ts'),
];

/** They take minutes each: run when they are asked for. */
const longSuites: readonly Suite[] = [
  vitest('ipvs', 'e2e', verbose, '--config=vitest.ipvs.config.ts'),
  vitest('encryption', 'e2e', verbose, '--config=vitest.encryption.config.ts'),
  endToEnd('api', '--config=vitest.api.config.ts'),
  endToEnd('differential', '--config=vitest.differential.config.ts'),
  endToEnd('sizes', '--config=vitest.sizes.config.ts'),
  endToEnd('machines', '--config=vitest.machines.config.ts'),
  endToEnd('network-driver', '--config=vitest.network-driver.config.ts'),
  endToEnd('chaos', '--config=vitest.chaos.config.ts'),
];

function named(name: string): readonly Suite[] {
  return [...defaultSuites, ...longSuites].filter((suite) => suite.name === name);
}

/** The suites to run; a name that is none of them is a part of the end-to-end suite. */
export function chooseSuites(name: string | undefined): readonly Suite[] {
  if (name === undefined) return defaultSuites;
  const known = named(name);
  return known.length > 0 ? known : [endToEnd(name, name)];
}

/** Whether it is a suite, or begins with a folder of the end-to-end tests. */
export function isSuite(root: string, name: string): boolean {
  if (!/^[a-z0-9/_.-]+$/.test(name)) return false;
  if (named(name).length > 0) return true;
  const [folder = ''] = name.split('/');
  return /\w/.test(folder) && existsSync(join(root, 'e2e/src', folder));
}

/** Runs the suites, shows what they say, ends with `N passed, N failed`; gives the exit code. */
export async function test(
  root: string,
  name: string | undefined,
  terminal: Terminal,
): Promise<number> {
  if (name !== undefined && !isSuite(root, name)) {
    throw new CommandError(`there is no suite ${name}: see the list in README.md`, 2);
  }
  const tallies: Tally[] = [];
  const rows: string[] = [];
  const failures: string[] = [];
  const suites = chooseSuites(name);
  if (suites.some(({ needsEngine }) => needsEngine)) {
    await ensurePrograms(
      [dockerEngine, ...testPrograms, ...networkTools, ...recommendedTools],
      terminal,
    );
  }
  for (const suite of suites) {
    terminal.say(`--- ${suite.name}`);
    const begin = systemClock.monotonic();
    const { tally, failures: ofSuite } = await runSuite(root, suite);
    failures.push(...ofSuite.map((failure) => `${suite.name}: ${failure}`));
    const seconds = ((systemClock.monotonic() - begin) / 1000).toFixed(1);
    rows.push(`${suite.name}: ${describeTally(tally)} (${seconds} s)`);
    tallies.push(tally);
  }
  const total = sum(tallies);
  terminal.print(['', ...failures, ...rows, describeTally(total)].join('\n'));
  return total.failed === 0 ? 0 : 1;
}

function describeTally({ passed, failed }: Tally): string {
  return `${passed} passed, ${failed} failed`;
}

function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (all, one) => ({ passed: all.passed + one.passed, failed: all.failed + one.failed }),
    { passed: 0, failed: 0 },
  );
}

/** What a suite came to. Its failures are told again at the very end, where a long log is read first. */
export interface Outcome {
  readonly tally: Tally;
  /** One for each failed test: its name and the first lines of why. */
  readonly failures: readonly string[];
}

async function runSuite(root: string, suite: Suite): Promise<Outcome> {
  const cwd = join(root, suite.directory);
  if (suite.kind === 'step') {
    const code = await run(root, suite.program, suite.args, cwd);
    return code === 0
      ? { tally: { passed: 1, failed: 0 }, failures: [] }
      : { tally: { passed: 0, failed: 1 }, failures: [`ended with code ${code}`] };
  }
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-test-'));
  const report = join(scratch, 'report.json');
  try {
    const reporting = ['--reporter=json', `--outputFile.json=${report}`];
    const code = await run(root, suite.program, [...suite.args, ...reporting], cwd);
    return outcomeOf(existsSync(report) ? readFileSync(report, 'utf8') : undefined, code);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(''),
      assertionResults: z.array(
        z.object({
          status: z.string(),
          fullName: z.string().default(''),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

/** Lines of a failure's message that are told again. */
const toldLines = 12;

/**
 * A file that failed without a failed test (it does not load, its setup failed) is one failure; so is
 * a run that failed without any (no file at all, a report that never came).
 */
export function outcomeOf(report: string | undefined, code: number): Outcome {
  if (report === undefined) {
    return { tally: { passed: 0, failed: 1 }, failures: ['ended without a report'] };
  }
  const { numPassedTests, numFailedTests, testResults } = vitestReport.parse(JSON.parse(report));
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((one) => one.status !== 'failed'),
  );
  const failures = [
    ...brokenFiles.map(({ name, message }) => tell(name, message)),
    ...testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status === 'failed')
        .map(({ fullName, failureMessages }) =>
          tell(`${name}: ${fullName}`, failureMessages?.join('\n') ?? ''),
        ),
    ),
  ];
  const failed = numFailedTests + brokenFiles.length;
  return code !== 0 && failed === 0
    ? { tally: { passed: numPassedTests, failed: 1 }, failures: [`ended with code ${code}`] }
    : { tally: { passed: numPassedTests, failed }, failures };
}

function tell(name: string, message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return [name, ...lines.slice(0, toldLines).map((line) => `    ${line}`)].join('\n');
}

const endSignals = ['SIGTERM', 'SIGHUP'] as const;

/** Our tools are Node's programs beside it; none of them reads from us. */
function run(root: string, program: string, args: readonly string[], cwd: string): Promise<number> {
  const modules = join(root, 'node_modules');
  const env = {
    ...process.env,
    PATH: `${join(modules, '.bin')}:${process.env['PATH'] ?? ''}`,
    // Tests start processes and threads by the hundred: what one compiled, the next need not.
    NODE_COMPILE_CACHE: join(modules, '.cache/compiled'),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'], env });
    // Who is told to end passes it on, so that nothing the tests started stays behind.
    const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of endSignals) process.on(signal, passOn);
    const settle = (): void => {
      for (const signal of endSignals) process.off(signal, passOn);
    };
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    child.on('exit', (code) => {
      settle();
      resolve(code ?? 1);
    });
  });
}
