import { expect, it } from 'vitest';
import { parseArguments } from './arguments.ts';

it('measures in three rounds and prints a table unless told otherwise', () => {
  expect(parseArguments([])).toEqual({ json: false, rounds: 3 });
  expect(parseArguments(['--json', '--rounds', '5'])).toEqual({ json: true, rounds: 5 });
});

it.each(['0', '-1', '1.5', 'many', '101', ''])('does not measure in %j rounds', (rounds) => {
  expect(() => parseArguments([`--rounds=${rounds}`])).toThrow(/whole number from 1 to 100/);
});

it('refuses what it does not know', () => {
  expect(() => parseArguments(['--fast'])).toThrow(/--fast/);
  expect(() => parseArguments(['more'])).toThrow(/more/);
});
