import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { contradiction, type Operation } from './history.ts';

type Row = readonly [what: string, asked: number, answered: number | undefined];

/** `w:a` writes a, `r:2` reads two values, `w!:a` was refused. */
function operation([what, asked, answered]: Row): Operation {
  const [kind, value = ''] = what.split(':');
  const failed = kind === 'w!';
  return {
    client: 'c',
    kind: kind === 'r' ? 'read' : 'write',
    value: kind === 'r' ? '' : value,
    asked: asked as Monotonic,
    answered: answered as Monotonic | undefined,
    outcome: failed ? 'failed' : answered === undefined ? 'open' : 'done',
    length: kind === 'r' ? Number(value) : 0,
  };
}

test.each<[string, readonly Row[], readonly string[]]>([
  ['nothing', [], []],
  [
    'one after the other',
    [
      ['w:a', 0, 1],
      ['r:1', 2, 3],
      ['w:b', 4, 5],
    ],
    ['a', 'b'],
  ],
  [
    'a read beside a write sees it or not',
    [
      ['w:a', 0, 9],
      ['r:0', 1, 2],
      ['r:1', 3, 4],
    ],
    ['a'],
  ],
  [
    'writes beside each other take any order',
    [
      ['w:a', 0, 9],
      ['w:b', 1, 8],
    ],
    ['b', 'a'],
  ],
  [
    'an open write may have happened',
    [
      ['w:a', 0, undefined],
      ['r:1', 5, 6],
    ],
    ['a'],
  ],
  [
    'or never',
    [
      ['w:a', 0, undefined],
      ['r:0', 5, 6],
    ],
    [],
  ],
  [
    'a refused write leaves no trace',
    [
      ['w!:a', 0, 1],
      ['r:0', 5, 6],
    ],
    [],
  ],
])('fits: %s', (_name, rows, list) => {
  expect(contradiction(rows.map(operation), list)).toBeUndefined();
});

test.each<[string, readonly Row[], readonly string[], string]>([
  ['an acknowledged write is lost', [['w:a', 0, 1]], [], 'lost'],
  ['a refused write happened', [['w!:a', 0, 1]], ['a'], 'refused, and it is written'],
  [
    'a stale read',
    [
      ['w:a', 0, 1],
      ['r:0', 2, 3],
    ],
    ['a'],
    'takes place 0',
  ],
  [
    'a read goes back',
    [
      ['w:a', 0, 9],
      ['r:1', 1, 2],
      ['r:0', 3, 4],
    ],
    ['a'],
    'takes place 0',
  ],
  [
    'writes change places',
    [
      ['w:a', 0, 1],
      ['w:b', 2, 3],
    ],
    ['b', 'a'],
    'takes place 1',
  ],
  [
    'a write after a read that saw it',
    [
      ['r:1', 0, 1],
      ['w:a', 2, 3],
    ],
    ['a'],
    'takes place 1',
  ],
  ['written twice', [['w:a', 0, 1]], ['a', 'a'], 'twice'],
  ['a read of what never was', [['r:2', 0, 1]], ['a'], 'more than there is'],
])('does not fit: %s', (_name, rows, list, message) => {
  expect(contradiction(rows.map(operation), list)).toContain(message);
});
