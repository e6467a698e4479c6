import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { checkNetworks, verifyNetworks } from './net.ts';

let directory: string;
let socket: string;
let fakeApi: Server;
let answer: object;
let asked: string[];
let printed: string;
let said: string[];
const fakeTerminal: Terminal = {
  say: (line) => said.push(line),
  print: (text) => {
    printed += text;
  },
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-net-'));
  socket = join(directory, 'docker.sock');
  [asked, printed, said] = [[], '', []];
  fakeApi = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(200).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(async () => {
  await new Promise((resolve) => fakeApi.close(resolve));
  rmSync(directory, { recursive: true });
});

const rows = () => printed.split('\n').map((row) => row.trim().split(/ {3,}/));
const host = (name: string) => ({ ID: name, Hostname: name });
const served = (name: string, more: object = {}) => ({
  Network: { ID: 'n', Name: 'demo' },
  Host: host(name),
  Names: 'ok',
  Balancer: 'unknown',
  Peers: 'ok',
  DiffersMs: 0,
  Repairs: 3,
  Problems: [],
  ...more,
});

test('verify shows a row for each host, and is content when all serve what they should', async () => {
  answer = { Hosts: [served('a')], Gaps: ['b is down: nothing is known of it'] };
  await verifyNetworks(undefined, { socket, json: false }, fakeTerminal);
  expect(asked).toEqual(['GET /shoal/v1/net/verify']);
  expect(printed).toMatch(/demo +a +ok +unknown +ok +3/);
  expect(said).toEqual(['b is down: nothing is known of it']);
});

test('verify fails when a host serves something else, and says what it could not do', async () => {
  const wrong = { Names: 'differs', DiffersMs: 1_500, Problems: ['no port 53'] };
  answer = { Hosts: [served('a'), served('b', wrong)], Gaps: [] };
  const verify = verifyNetworks('my net', { socket, json: false }, fakeTerminal);
  await expect(verify).rejects.toThrow('1 of 2 differ from what the log implies');
  expect(asked).toEqual(['GET /shoal/v1/net/verify?network=my%20net']);
  expect(rows()[2]).toEqual(['demo', 'b', 'differs', 'unknown', 'ok', '1.5s', '3']);
  expect(said).toEqual(['b: no port 53']);
});

const pair = (from: string, to: string, cause = '') => ({
  From: host(from),
  To: host(to),
  Path: 'overlay 4789/udp',
  OK: cause === '',
  Cause: cause,
});

test('check shows the pairs that fail, with path and cause', async () => {
  answer = { Pairs: [pair('a', 'b'), pair('b', 'a', 'no answer')], Gaps: [] };
  const check = checkNetworks(false, { socket, json: false }, fakeTerminal);
  await expect(check).rejects.toThrow('1 of 2 paths between hosts do not work');
  expect(rows().slice(1, 3)).toEqual([['b', 'a', 'overlay 4789/udp', 'no answer'], ['']]);
});

test('check on a host that is alone says that there is no path', async () => {
  answer = { Pairs: [], Gaps: [] };
  await checkNetworks(false, { socket, json: false }, fakeTerminal);
  expect(said).toEqual(['there is no other host, and so no path between hosts']);
});

test.each([
  [[], 'no path between hosts could be tried'],
  [
    [pair('a', 'b')],
    'all 1 paths between hosts that could be tried work; others could not be tried',
  ],
  [[pair('a', 'b', 'no answer')], '1 of 1 paths between hosts that could be tried do not work'],
])(
  'check fails when a host could not be asked, and claims no more than was tried: %j',
  async (Pairs, message) => {
    answer = { Pairs, Gaps: ['b is down: it could try no path'] };
    const check = checkNetworks(false, { socket, json: false }, fakeTerminal);
    await expect(check).rejects.toThrow(message);
    expect(said).toEqual(['b is down: it could try no path']);
  },
);

test('check says when everything works; all pairs on request, and all for programs', async () => {
  answer = { Pairs: [pair('a', 'b')], Gaps: [] };
  await checkNetworks(false, { socket, json: false }, fakeTerminal);
  expect(printed).toBe('');
  expect(said).toEqual(['all 1 paths between hosts work']);
  await checkNetworks(true, { socket, json: false }, fakeTerminal);
  expect(rows()[1]).toEqual(['a', 'b', 'overlay 4789/udp', 'ok']);
  printed = '';
  await checkNetworks(false, { socket, json: true }, fakeTerminal);
  expect(JSON.parse(printed)).toEqual(answer);
});
