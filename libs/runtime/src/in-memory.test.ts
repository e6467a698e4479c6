import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isInMemory, ownFolder, removeOwnFolder, sharedMemory } from './in-memory.ts';

test('shared memory is, and what will be made there', () => {
  expect(isInMemory(sharedMemory)).toBe(true);
  expect(isInMemory(join(sharedMemory, 'none', 'of', 'these'))).toBe(true);
});

test('a folder on a disk is not', ({ skip }) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-in-memory-'));
  const isTmpfs = statfsSync(folder).type === 0x01021994;
  rmSync(folder, { recursive: true });
  skip(isTmpfs, 'this machine keeps temporary files in memory');
  expect(isInMemory(join(folder, 'gone'))).toBe(false);
});

describe('a folder of the own', () => {
  let scratch: string;
  let path: string;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'shoal-own-folder-'));
    path = join(scratch, 'keys');
  });
  afterEach(() => rmSync(scratch, { recursive: true }));
  const mode = (): number => statSync(path).mode & 0o777;

  test('is for this user alone', async () => {
    await ownFolder(path);
    expect(mode()).toBe(0o700);
  });

  test('keeps what is in it', async () => {
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, 'kept'), '');
    await ownFolder(path);
    expect([mode(), readdirSync(path)]).toEqual([0o700, ['kept']]);
  });

  test('goes with what is in it; what a link stands for does not', async () => {
    mkdirSync(path);
    writeFileSync(join(path, 'kept'), '');
    const link = join(scratch, 'link');
    symlinkSync(path, link);
    await removeOwnFolder(link);
    expect(readdirSync(path)).toEqual(['kept']);
    await removeOwnFolder(path);
    expect(readdirSync(scratch)).toEqual(['link']);
  });

  test('of somebody else is never entered', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root can give a folder away');
    mkdirSync(path);
    writeFileSync(join(path, 'planted'), '');
    chownSync(path, 65_534, 65_534);
    await removeOwnFolder(path);
    expect(readdirSync(path)).toEqual(['planted']);
  });

  test('is no link to one', async () => {
    const elsewhere = join(scratch, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'planted'), '');
    symlinkSync(elsewhere, path);
    await ownFolder(path);
    expect([readdirSync(path), readdirSync(elsewhere)]).toEqual([[], ['planted']]);
  });

  test('is not one that somebody else has put there', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'only root can make the folder of somebody else');
    mkdirSync(path);
    writeFileSync(join(path, 'planted'), '');
    chownSync(path, 65_534, 65_534);
    await ownFolder(path);
    expect([statSync(path).uid, readdirSync(path)]).toEqual([0, []]);
  });
});
