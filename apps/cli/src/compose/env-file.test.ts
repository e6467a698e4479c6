// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables as Compose files have them
import { expect, test } from 'vitest';
import { readEnvFile } from './env-file.ts';

const outside = (name: string): string | undefined => (name === 'HOME' ? '/root' : undefined);

test('lines of every kind', () => {
  const text = [
    '\ufeff# what it is for',
    '',
    'PLAIN=some words # said of it',
    'HASH=a#b',
    'EMPTY=',
    '  export SPACED = value  ',
    "SINGLE='$PLAIN # as it is'",
    'DOUBLE="two\\nlines and $PLAIN"',
    'MANY="first',
    'second"',
    'BEFORE=${PLAIN}!',
    'OUTSIDE=${HOME}/x',
    'FALLBACK=${NONE:-it}',
    'HOME',
    'NONE',
    'dotted.name=1',
    'URL=postgres://u:p@h/db?x=1',
  ].join('\n');
  const found = readEnvFile(text, outside);
  expect(found.kind === 'variables' ? Object.fromEntries(found.variables) : found).toEqual({
    PLAIN: 'some words',
    HASH: 'a#b',
    EMPTY: '',
    SPACED: 'value',
    SINGLE: '$PLAIN # as it is',
    DOUBLE: 'two\nlines and some words',
    MANY: 'first\nsecond',
    BEFORE: 'some words!',
    OUTSIDE: '/root/x',
    FALLBACK: 'it',
    HOME: '/root',
    'dotted.name': '1',
    URL: 'postgres://u:p@h/db?x=1',
  });
});

test('what stands behind backslashes in double quotes, before variables are filled in', () => {
  const text = [
    'PASSWORD="pa\\$HOME\\"word"',
    'PATTERN="^\\d+\\\\.$HOME"',
    'BELL="\\0041\\t\\x41"',
    "GIVEN='C:\\new'",
    'WITHIN="$GIVEN"',
  ].join('\n');
  const found = readEnvFile(text, outside);
  expect(found.kind === 'variables' ? Object.fromEntries(found.variables) : found).toEqual({
    PASSWORD: 'pa$HOME"word',
    PATTERN: '^\\d+\\./root',
    BELL: '!\t\\x41',
    GIVEN: 'C:\\new',
    WITHIN: 'C:\\new',
  });
});

test('lines of another computer', () => {
  const found = readEnvFile('A=1\r\nB="2"\r\nC=\'3\'\r\n', outside);
  expect(found.kind === 'variables' ? [...found.variables] : found).toEqual([
    ['A', '1'],
    ['B', '2'],
    ['C', '3'],
  ]);
});

test.each([
  ['A=1\n- secret', 'line 2 is not KEY=value'],
  ['A=1\n\n=value', 'line 3 is not KEY=value'],
  ['A=${B', 'A: a } is missing at the end'],
])('%j is refused, without what it says', (text, message) => {
  expect(readEnvFile(text, outside)).toEqual({ kind: 'refused', message });
});
