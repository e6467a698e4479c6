import { expect, test } from 'vitest';
import { tableOf, taskOf } from '../testing/records.ts';
import { Lingering, lingerMs } from './lingering.ts';

const empty = tableOf([]);

test('an address that was wanted stays for its time, and no longer', () => {
  const lingering = new Lingering();
  expect(lingering.with(['10.0.1.2'], empty, 0)).toEqual(['10.0.1.2']);
  expect(lingering.with([], empty, 1_000)).toEqual(['10.0.1.2']);
  expect(lingering.isOver(lingerMs)).toBe(false);
  expect(lingering.with([], empty, lingerMs)).toEqual(['10.0.1.2']);
  expect(lingering.isOver(1_000 + lingerMs)).toBe(true);
  expect(lingering.with([], empty, 1_000 + lingerMs)).toEqual([]);
});

test('who gets the address in the meantime has it', () => {
  const lingering = new Lingering();
  lingering.with(['10.0.1.2', '10.0.1.3'], empty, 0);
  const table = tableOf([taskOf(2)]);
  expect(lingering.with([], table, 1)).toEqual(['10.0.1.3']);
});

test('an address that is wanted again is told once, and lingers anew', () => {
  const lingering = new Lingering();
  lingering.with(['10.0.1.2'], empty, 0);
  lingering.with([], empty, 1);
  expect(lingering.with(['10.0.1.2'], empty, 2)).toEqual(['10.0.1.2']);
  expect(lingering.with([], empty, 5_000)).toEqual(['10.0.1.2']);
  expect(lingering.isOver(5_000 + lingerMs - 1)).toBe(false);
});
