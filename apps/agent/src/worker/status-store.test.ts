import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Instant, silentLogger, systemClock } from '@shoal/runtime';
import type { TaskStatus } from '@shoal/state';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StatusStore } from './status-store.ts';

const status: TaskStatus = { state: 'running', at: 5 as Instant, message: 'started', err: '' };
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-status-'));
  path = join(directory, 'agent', 'tasks.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('what was durable is there after a restart', async () => {
  const store = await StatusStore.open(path, silentLogger, systemClock);
  store.belongTo('node1');
  for (let at = 0; at < 100; at += 1) store.put(`t${at}`, { ...status, at: at as Instant });
  await store.durable();
  store.delete('t1');
  await store.durable();
  const again = await StatusStore.open(path, silentLogger, systemClock);
  expect(again.nodeId).toBe('node1');
  expect(again.get('t99')).toEqual({ ...status, at: 99 });
  expect(again.get('t1')).toBeUndefined();
  again.belongTo('node1');
  expect(again.taskIds).toHaveLength(99);
  again.belongTo('node2');
  expect(again.taskIds).toEqual([]);
});

test('what nobody waits for is written too', async () => {
  const store = await StatusStore.open(path, silentLogger, systemClock);
  store.put('t1', status);
  store.put('t2', status);
  await vi.waitFor(async () =>
    expect(Object.keys(JSON.parse(await readFile(path, 'utf8')).tasks)).toEqual(['t1', 't2']),
  );
});

test('an unreadable file is put aside', async () => {
  await (await StatusStore.open(path, silentLogger, systemClock)).durable();
  await writeFile(path, '{"schema":1,');
  const store = await StatusStore.open(path, silentLogger, systemClock);
  expect(store.taskIds).toEqual([]);
  expect(await readFile(`${path}.unreadable`, 'utf8')).toBe('{"schema":1,');
});

test.each([
  ['container', {}],
  ['startedAt', 'yesterday'],
  ['ports', [{ Protocol: 'tcp' }]],
  ['at', 0.5],
])(
  'a file with a malformed %s is put aside, one with more than is known here is not',
  async (field, value) => {
    await (await StatusStore.open(path, silentLogger, systemClock)).durable();
    const write = (more: object) =>
      writeFile(
        path,
        JSON.stringify({ schema: 1, nodeId: 'n', tasks: { t: { ...status, ...more } } }),
      );
    await write({ zone: 'z' });
    const whole = await StatusStore.open(path, silentLogger, systemClock);
    expect(whole.get('t')).toEqual({ ...status, zone: 'z' });
    await write({ [field]: value });
    expect((await StatusStore.open(path, silentLogger, systemClock)).taskIds).toEqual([]);
    expect(await readdir(join(directory, 'agent'))).toEqual(['tasks.json.unreadable']);
  },
);

test('a disk that does not take it is told, and the next try works', async () => {
  const store = await StatusStore.open(path, silentLogger, systemClock);
  await rmSync(join(directory, 'agent'), { recursive: true });
  await writeFile(join(directory, 'agent'), 'in the way');
  store.put('t', status);
  await expect(store.durable()).rejects.toThrow('ENOTDIR');
  rmSync(join(directory, 'agent'));
  await StatusStore.open(path, silentLogger, systemClock);
  await store.durable();
  expect((await StatusStore.open(path, silentLogger, systemClock)).get('t')).toEqual(status);
});

test('a store that was cleared leaves no file', async () => {
  const store = await StatusStore.open(path, silentLogger, systemClock);
  store.belongTo('node1');
  store.put('t', status);
  await store.durable();
  await store.clear();
  expect(await readdir(join(directory, 'agent'))).toEqual([]);
  expect(store.nodeId).toBe('');
});
