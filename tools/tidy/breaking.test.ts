import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkBreaking } from './breaking.ts';

const root = join(import.meta.dirname, '../..');

describe('the protocols beside the recorded ones', () => {
  let scratch: string;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'shoal-breaking-'));
    symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
    for (const name of ['buf.yaml', 'baseline.binpb', 'proto'])
      cpSync(join(root, 'libs/proto', name), join(scratch, 'libs/proto', name), {
        recursive: true,
      });
  });
  afterEach(() => rmSync(scratch, { recursive: true }));

  const path = 'libs/proto/proto/shoal/v1/entry.proto';
  function changed(from: string, to: string): ReturnType<typeof checkBreaking> {
    const before = readFileSync(join(scratch, path), 'utf8');
    expect(before).toContain(from);
    writeFileSync(join(scratch, path), before.replace(from, to));
    return checkBreaking(scratch, 'libs/proto');
  }

  test.each([
    ['a field that is new', 'uint64 term = 2;', 'uint64 term = 2;\n  string more = 9;'],
    ['another comment', '// The content', '// All the content'],
    ['an enum value that is new', 'MEMBERSHIP = 3;', 'MEMBERSHIP = 3;\n  ENTRY_KIND_MORE = 4;'],
  ])('may have %s', (_what, from, to) => {
    expect(changed(from, to)).toEqual([]);
  });

  test.each([
    ['another number', 'uint64 term = 2;', 'uint64 term = 9;', '"2" with name "term"'],
    ['another type', 'uint64 term = 2;', 'string term = 2;', 'from "uint64" to "string"'],
    ['another name', 'uint64 term = 2;', 'uint64 epoch = 2;', 'from "term" to "epoch"'],
    ['a value less', '  ENTRY_KIND_EMPTY = 2;', '', 'enum value "2"'],
  ])('may not have %s', (_what, from, to, told) => {
    const findings = changed(from, to);
    expect(findings[0]?.path).toBe(path);
    expect(findings[0]?.message).toMatch(/^line \d+: /);
    expect(findings.map(({ message }) => message).join('\n')).toContain(told);
  });

  test('cannot be judged without what was recorded', () => {
    rmSync(join(scratch, 'libs/proto/baseline.binpb'));
    expect(() => checkBreaking(scratch, 'libs/proto')).toThrow('baseline.binpb');
  });
});
