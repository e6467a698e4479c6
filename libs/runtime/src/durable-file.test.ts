import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { replaceFile } from './durable-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-file-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('the new content and mode take the place of the old', async () => {
  const path = join(directory, 'a');
  await writeFile(path, 'old and longer');
  await replaceFile(path, 'new', 0o600);
  expect(await readFile(path, 'utf8')).toBe('new');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['a']);
});

test('a failure leaves the old content and nothing beside it', async () => {
  await expect(replaceFile(join(directory, 'missing', 'a'), 'new')).rejects.toThrow('ENOENT');
  // A folder in the place of the file: the rename fails after the content was written.
  await expect(replaceFile(directory, 'new')).rejects.toThrow();
  expect(await readdir(directory)).toEqual([]);
});
