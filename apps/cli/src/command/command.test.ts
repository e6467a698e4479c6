import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ProcessStatus } from '../host/health.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { logs } from './logs.ts';
import { describe as describeStatus, formatUptime, status } from './status.ts';
import { chooseSuites, isSuite, outcomeOf } from './test.ts';

let directory: string;
let printed: string;
const fakeTerminal: Terminal = {
  say: () => undefined,
  print: (text) => {
    printed += `${text}\n`;
  },
};
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-command-'));
  printed = '';
});
afterEach(() => rmSync(directory, { recursive: true }));

test('a table has its columns under each other', () => {
  expect(
    formatTable([
      ['A', 'LONG', 'C'],
      ['long one', 'b', ''],
      ['', '', 'c'],
    ]),
  ).toBe(['A          LONG   C', 'long one   b', '                  c', ''].join('\n'));
});

describe('status', () => {
  const one: ProcessStatus = {
    process: 'api',
    state: 'running',
    pid: 7,
    uptimeMs: 61_000,
    restarts: 2,
    role: 'leader',
    healthy: true,
    ready: true,
    logIndex: 42,
    detail: '',
    build: null,
  };
  test('shows a row for each process', () => {
    const text = describeStatus({
      supervisor: null,
      processes: [
        one,
        { ...one, process: 'agent', ready: false },
        {
          ...one,
          process: 'scheduler',
          state: 'waiting',
          pid: null,
          uptimeMs: 0,
          detail: 'code 3',
        },
      ],
    });
    const rows = text.split('\n').map((row) => row.trim().split(/ {3,}/));
    expect(rows[1]).toEqual(['api', 'leader', '7', '1m', '2', 'healthy', '42']);
    expect(rows[2]?.[5]).toBe('not ready');
    expect(rows[3]).toEqual(['scheduler', 'leader', '-', '-', '2', 'restarting', '42', 'code 3']);
    expect(text).toContain('No supervisor runs');
  });
  test('marks what runs another build than the one here, and says what changes that', () => {
    const supervisor = null;
    const processes = [
      one,
      { ...one, process: 'agent', detail: 'waits' },
      { ...one, process: 'dns' },
    ];
    const text = describeStatus({ supervisor, processes }, ['api', 'agent']);
    const rows = text.split('\n').map((row) => row.trim().split(/ {3,}/));
    expect(rows.slice(1, 4).map((row) => row[7])).toEqual([
      'another build',
      'another build; waits',
      undefined,
    ]);
    expect(text).toContain('runs as api, agent: ./shoal down && ./shoal up changes that');
  });
  test('of nothing has a code of its own', async () => {
    expect(await status(join(directory, 'none'), false, fakeTerminal)).toBe(3);
    expect(printed).toContain('Nothing runs');
    printed = '';
    expect(await status(directory, true, fakeTerminal)).toBe(3);
    expect(JSON.parse(printed)).toEqual({ supervisor: null, processes: [] });
  });
  test.each([
    [999, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [7_200_000, '2h'],
    [200_000_000, '2d'],
  ])('says %i ms as %s', (ms, text) => {
    expect(formatUptime(ms)).toBe(text);
  });
});

describe('logs', () => {
  const line = (time: number, event: string): string =>
    `${JSON.stringify({ time: new Date(time).toISOString(), event })}\n`;
  const request = { process: undefined, follow: false, lines: 100 };
  beforeEach(() => {
    mkdirSync(join(directory, 'logs'));
    writeFileSync(join(directory, 'logs/api.log'), line(1, 'first') + line(3, 'third'));
    writeFileSync(join(directory, 'logs/agent.log'), line(2, 'second'));
    writeFileSync(join(directory, 'logs/agent.log.1'), line(0, 'old'));
  });
  const events = (): string[] =>
    [...printed.matchAll(/"event":"(\w+)"/g)].map(([, name = '']) => name);

  test('of all processes come in the order of time', async () => {
    await logs({ ...request, dataDir: directory }, fakeTerminal);
    expect(events()).toEqual(['first', 'second', 'third']);
  });
  test('without a time stay behind the line before them', async () => {
    const torn = `${line(5, 'fifth')}    at somewhere\n${line(9, 'ninth')}`;
    writeFileSync(join(directory, 'logs/api.log'), `level=info\n${torn}`);
    writeFileSync(join(directory, 'logs/engine.log'), 'msg=starting\nmsg=started\n');
    writeFileSync(join(directory, 'logs/agent.log'), line(2, 'second') + line(7, 'seventh'));
    await logs({ ...request, dataDir: directory }, fakeTerminal);
    expect(events()).toEqual(['second', 'fifth', 'seventh', 'ninth']);
    expect(printed).toMatch(/fifth"}\n {4}at somewhere\n.*seventh/);
  });
  test('of one process are its own, and only so many', async () => {
    appendFileSync(join(directory, 'logs/api.log'), 'torn');
    await logs({ ...request, dataDir: directory, process: 'api', lines: 1 }, fakeTerminal);
    expect(events()).toEqual(['third']);
  });
  test('of an unknown process are an error', async () => {
    const asked = logs({ ...request, dataDir: directory, process: 'nobody' }, fakeTerminal);
    await expect(asked).rejects.toThrow(CommandError);
  });
});

describe('the tests', () => {
  test('run in the order of their time, and a part of the end-to-end suite by its name', () => {
    expect(chooseSuites(undefined).map(({ name }) => name)).toEqual([
      'lint',
      'tidy',
      'types',
      'unit',
      'simulation',
      'e2e',
      'managers',
      'scheduling',
      'networking',
    ]);
    expect(chooseSuites('types').map(({ program }) => program)).toEqual(['tsc']);
    expect(chooseSuites('api')).toMatchObject([{ needsEngine: true }]);
    expect(chooseSuites('ipvs')).toMatchObject([
      { args: ['run', '--reporter=verbose', '--config=vitest.ipvs.config.ts'] },
    ]);
    expect(chooseSuites('main-job')).toMatchObject([
      {
        program: 'vitest',
        args: ['run', '--reporter=verbose', 'main-job'],
        directory: 'e2e',
        needsEngine: true,
      },
    ]);
  });
  test.each([
    ['types', true],
    ['differential', true],
    ['main-job', true],
    ['main-job/refusals', true],
    ['nope', false],
    ['../secrets', false],
    ['', false],
  ])('have a part of the name %j: %s', (name, there) => {
    mkdirSync(join(directory, 'e2e/src/main-job'), { recursive: true });
    expect(isSuite(directory, name)).toBe(there);
  });
  test('count what failed, a run that never got so far included', () => {
    const file = (status: string, ...tests: readonly string[]) => ({
      name: 'a.test.ts',
      status,
      assertionResults: tests.map((one) => ({ status: one })),
    });
    const report = (
      passed: number,
      failed: number,
      ...testResults: readonly ReturnType<typeof file>[]
    ): string => JSON.stringify({ numPassedTests: passed, numFailedTests: failed, testResults });
    const broken = file('failed', 'skipped', 'skipped');
    const red = file('failed', 'passed', 'failed', 'failed');
    const tallyOf = (text: string | undefined, code: number) => outcomeOf(text, code).tally;
    expect(tallyOf(report(3, 2, red, file('passed', 'passed'), broken), 1)).toEqual({
      passed: 3,
      failed: 3,
    });
    expect(tallyOf(report(3, 0), 0)).toEqual({ passed: 3, failed: 0 });
    expect(tallyOf(report(3, 2), 1)).toEqual({ passed: 3, failed: 2 });
    expect(tallyOf(report(3, 0), 1)).toEqual({ passed: 3, failed: 1 });
    expect(tallyOf(undefined, 1)).toEqual({ passed: 0, failed: 1 });
  });

  test('what failed is told again with the first lines of why', () => {
    const report = JSON.stringify({
      numPassedTests: 0,
      numFailedTests: 1,
      testResults: [
        { name: 'a.ts', status: 'failed', message: 'no such module', assertionResults: [] },
        {
          name: 'b.ts',
          status: 'failed',
          message: '',
          assertionResults: [
            { status: 'failed', fullName: 'adds', failureMessages: ['1 is not 2\n\n at b.ts:1'] },
            { status: 'passed', fullName: 'takes', failureMessages: [] },
          ],
        },
      ],
    });
    expect(outcomeOf(report, 1)).toEqual({
      tally: { passed: 0, failed: 2 },
      failures: ['a.ts\n    no such module', 'b.ts: adds\n    1 is not 2\n     at b.ts:1'],
    });
    expect(outcomeOf(undefined, 1).failures).toEqual(['ended without a report']);
  });
});
