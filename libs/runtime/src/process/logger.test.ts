import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from './logger.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-log-'));
  path = join(directory, 'log');
});
afterEach(() => rmSync(directory, { recursive: true }));

function lines(): readonly Record<string, unknown>[] {
  const text = readFileSync(path, 'utf8').trimEnd();
  return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line is a fact with fields, there when the call returns', () => {
  const fd = openSync(path, 'a');
  const logger = createLogger({ process: 'api', level: 'info', fd });
  logger.info({ term: 3 }, 'became_leader');
  logger.debug({}, 'not_asked_for');
  logger.child({ node: 'n1' }).error({ error: new Error('disk') }, 'write_failed');
  const [first, second, ...rest] = lines();
  expect(first).toMatchObject({ level: 'info', process: 'api', term: 3, event: 'became_leader' });
  expect(second).toMatchObject({ level: 'error', node: 'n1', error: { message: 'disk' } });
  expect(rest).toEqual([]);
  closeSync(fd);
});

test('lines that cannot be written are dropped, and counted once writing works again', () => {
  let fd = openSync('/dev/full', 'w');
  const logger = createLogger({ process: 'api', level: 'info', fd });
  logger.info({}, 'a');
  logger.info({}, 'b');
  // The disk has room again: the same descriptor leads to a file now.
  closeSync(fd);
  const again = openSync(path, 'a');
  expect(again).toBe(fd);
  fd = again;
  logger.info({}, 'c');
  logger.info({}, 'd');
  expect(lines().map(({ event, lost }) => lost ?? event)).toEqual(['c', 2, 'd']);
  closeSync(fd);
});
