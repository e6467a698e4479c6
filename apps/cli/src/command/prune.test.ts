import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { isMeant, prune } from './prune.ts';

const document = (ID: string, Name: string, Labels = {}): object => ({
  ...{ ID, Name, Labels },
  CreatedAt: '2026-01-02T03:04:05.123456789Z',
});
const unused = {
  Secrets: [document('s1', 'password'), document('s2', 'taken')],
  Configs: [document('c1', 'page', { 'com.docker.stack.namespace': 'shop' })],
};

let directory: string;
let socket: string;
let fakeApi: Server;
let asked: string[];
let said: string[];
let printed: string;
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: (text) => {
    printed += text;
  },
};

beforeEach(async () => {
  [asked, said, printed] = [[], [], ''];
  directory = mkdtempSync(join(tmpdir(), 'shoal-prune-'));
  socket = join(directory, 'docker.sock');
  fakeApi = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    if (method === 'GET') response.end(JSON.stringify(unused));
    else if (url === '/secrets/s2')
      response.writeHead(400).end(JSON.stringify({ message: 'secret taken is in use' }));
    else response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(() => {
  fakeApi.close();
  rmSync(directory, { recursive: true });
});

const options = { json: false, force: false, label: [] };

describe('what nothing needs', () => {
  test('is shown, and removed by nobody who did not say so', async () => {
    await prune({ ...options, socket }, fakeTerminal);
    expect(asked).toEqual(['GET /shoal/v1/unused']);
    expect(printed.split('\n').map((line) => line.split(/ {3,}/))).toEqual([
      ['KIND', 'NAME', 'CREATED', 'STACK'],
      ['secret', 'password', '2026-01-02T03:04:05Z'],
      ['secret', 'taken', '2026-01-02T03:04:05Z'],
      ['config', 'page', '2026-01-02T03:04:05Z', 'shop'],
      [''],
    ]);
    expect(said).toEqual([
      '3 that are used by no service, nor by a revision that one could go back to: the same with --force removes them',
    ]);
  });

  test('goes, and what is used by now stays', async () => {
    await prune({ ...options, socket, force: true }, fakeTerminal);
    expect(asked.slice(1)).toEqual([
      'DELETE /secrets/s1',
      'DELETE /secrets/s2',
      'DELETE /configs/c1',
    ]);
    expect(said).toEqual([
      'secret password is removed',
      'secret taken stays: secret taken is in use',
      'config page is removed',
    ]);
  });

  test('is chosen by its age and its labels', async () => {
    const label = ['com.docker.stack.namespace=shop'];
    await prune({ ...options, socket, force: true, label, olderThan: '1h' }, fakeTerminal);
    expect(asked.slice(1)).toEqual(['DELETE /configs/c1']);
    await prune({ ...options, socket, label, olderThan: '1000000h' }, fakeTerminal);
    expect(said.at(-1)).toBe('nothing to remove');
    said = [];
    await prune({ ...options, socket, force: true, olderThan: '1000000h' }, fakeTerminal);
    expect(said).toEqual(['nothing to remove']);
    await expect(prune({ ...options, socket, olderThan: 'old' }, fakeTerminal)).rejects.toThrow(
      '--older-than is a duration such as 720h, not old',
    );
  });
});

test.each([
  [[], true],
  [['a'], true],
  [['a=1'], true],
  [['a=2'], false],
  [['b'], false],
  [['empty='], true],
  [['a=1', 'b'], false],
  [['toString'], false],
])('labels %j', (labels, expected) => {
  const Labels = { a: '1', empty: '' };
  const one = { ID: 'x', Name: 'x', CreatedAt: '2026-01-01T00:00:00Z', Labels };
  expect(isMeant(one, { createdBefore: Number.MAX_SAFE_INTEGER, labels })).toBe(expected);
});
