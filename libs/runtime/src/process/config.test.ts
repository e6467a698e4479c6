import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hostPort, parseConfig } from './config.ts';

const schema = z.object({
  dataDir: z.string().default('/var/lib/shoal').describe('where state is kept'),
  listen: hostPort.default('0.0.0.0:2377'),
  heartbeatMs: z.number().int().min(100).max(60_000).default(5_000),
  foreground: z.boolean().default(false),
  managers: z.array(z.string()).default([]),
  level: z.enum(['info', 'warn']).optional(),
});

function parse(argv: string[], env: Record<string, string> = {}) {
  return parseConfig(schema, { argv, env, prefix: 'SHOAL_' });
}

function config(argv: string[], env: Record<string, string> = {}) {
  const outcome = parse(argv, env);
  if (outcome.kind !== 'config') throw new Error(JSON.stringify(outcome));
  return outcome.config;
}

function complaint(argv: string[], env: Record<string, string> = {}): string {
  const outcome = parse(argv, env);
  return outcome.kind === 'invalid' ? outcome.message : `accepted: ${JSON.stringify(outcome)}`;
}

describe('a value comes from', () => {
  test('the default', () => {
    expect(config([])).toEqual({
      dataDir: '/var/lib/shoal',
      listen: '0.0.0.0:2377',
      heartbeatMs: 5_000,
      foreground: false,
      managers: [],
    });
  });
  test('a flag, in either form', () => {
    expect(config(['--data-dir', '/a']).dataDir).toBe('/a');
    expect(config(['--data-dir=/a=b']).dataDir).toBe('/a=b');
    expect(config(['--heartbeat-ms', '250']).heartbeatMs).toBe(250);
  });
  test('the environment, unless a flag says otherwise', () => {
    const env = { SHOAL_DATA_DIR: '/e', SHOAL_HEARTBEAT_MS: '700', SHOAL_FOREGROUND: '1' };
    expect(config([], env)).toMatchObject({ dataDir: '/e', heartbeatMs: 700, foreground: true });
    expect(config(['--data-dir=/f', '--foreground=false'], env)).toMatchObject({
      dataDir: '/f',
      foreground: false,
    });
  });
  test('a boolean flag alone, which takes no word from behind it', () => {
    expect(config(['--foreground', '--data-dir', '/a'])).toMatchObject({
      foreground: true,
      dataDir: '/a',
    });
  });
  test('a list, repeated or with commas', () => {
    expect(config(['--managers=a,b', '--managers', 'c']).managers).toEqual(['a', 'b', 'c']);
  });
});

describe('one sentence says', () => {
  test('which flag is unknown', () => {
    expect(complaint(['--data-dri=/a'])).toBe(
      'unknown flag --data-dri; --help lists those there are',
    );
    expect(complaint(['word'])).toContain('unknown flag word');
  });
  test('which flag lacks its value', () => {
    expect(complaint(['--data-dir'])).toContain('--data-dir needs a value');
    expect(complaint(['--data-dir', '--foreground'])).toContain('--data-dir needs a value');
  });
  test.each([
    [['--heartbeat-ms=soon'], '--heartbeat-ms=soon'],
    [['--heartbeat-ms='], '--heartbeat-ms='],
    [['--heartbeat-ms=50'], '--heartbeat-ms=50'],
    [['--heartbeat-ms=1.5'], '--heartbeat-ms=1.5'],
    [['--foreground=perhaps'], '--foreground=perhaps'],
    [['--listen=2377'], 'must look like 127.0.0.1:2377'],
    [['--level=loud'], '--level=loud'],
  ])('what is wrong with %j', (argv, words) => {
    expect(complaint(argv)).toContain(words);
    expect(complaint(argv)).not.toContain('\n');
  });
  test('which name of the environment is wrong', () => {
    expect(complaint([], { SHOAL_LISTEN: 'here' })).toContain('SHOAL_LISTEN=here');
  });
});

test('help lists every flag with its default and its name in the environment', () => {
  const outcome = parse(['--foreground', '--help']);
  const text = outcome.kind === 'help' ? outcome.text : '';
  expect(text).toContain('--data-dir');
  expect(text).toContain('where state is kept (default /var/lib/shoal) SHOAL_DATA_DIR');
});
