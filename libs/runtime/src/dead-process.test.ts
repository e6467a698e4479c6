import { expect, onTestFinished, test, vi } from 'vitest';
import { isDeadProcess } from './dead-process.ts';

test('this process lives, and a number above all others has no process', () => {
  expect(isDeadProcess(process.pid)).toBe(false);
  expect(isDeadProcess(2 ** 22 + 1)).toBe(true);
});

test.each([
  ['ESRCH', true],
  ['EPERM', false],
  ['EACCES', false],
])('a process that answers a signal with %s', (code, dead) => {
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error(`kill ${code}`), { code });
  });
  onTestFinished(() => kill.mockRestore());
  expect(isDeadProcess(1)).toBe(dead);
});
