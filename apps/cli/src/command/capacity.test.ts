import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { capacity } from './capacity.ts';

const gibibyte = 1024 ** 3;
const room = (tasks: number, processors: number, gibibytes: number) => ({
  tasks,
  nanoCpus: { has: 4e9, reserved: processors * 1e9 },
  memoryBytes: { has: 16 * gibibyte, reserved: gibibytes * gibibyte },
});
const node = (id: string, more: object) => ({
  node: { id, hostname: `host-${id}` },
  state: 'ready',
  availability: 'active',
  generic: [],
  ...more,
});

let directory: string;
let socket: string;
let fakeApi: Server;
let printed: string[];
const fakeTerminal: Terminal = { say: () => undefined, print: (text) => void printed.push(text) };

beforeEach(async () => {
  printed = [];
  directory = mkdtempSync(join(tmpdir(), 'shoal-capacity-'));
  socket = join(directory, 'docker.sock');
  const answer = {
    total: { nodes: 2, ...room(5, 2.75, 9) },
    nodes: [
      node('a1', room(2, 0.25, 1)),
      node('b1', {
        ...room(3, 2.5, 8),
        availability: 'drain',
        generic: [{ kind: 'gpu', has: 2, reserved: 1 }],
      }),
      node('c1', { ...room(0, 0, 0), state: 'down', nanoCpus: { has: 0, reserved: 0 } }),
    ],
  };
  fakeApi = createServer((_request, response) => response.end(JSON.stringify(answer)));
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(async () => {
  await new Promise((resolve) => fakeApi.close(resolve));
  rmSync(directory, { recursive: true });
});

test('the fullest node comes first, and all together last', async () => {
  await capacity({ socket, nodes: [], json: false }, fakeTerminal);
  expect(printed.join('').trimEnd().split('\n')).toEqual([
    'NODE                  STATE          TASKS   PROCESSORS   MEMORY        OTHERS',
    'host-b1               ready, drain   3       2.5 of 4     8 of 16 GiB   gpu 1 of 2',
    'host-a1               ready          2       0.25 of 4    1 of 16 GiB',
    'host-c1               down           0       0 of 0       0 of 16 GiB',
    'all that take tasks                  5       2.75 of 4    9 of 16 GiB',
  ]);
});

test('by name, or the start of an id; one that is not there is named', async () => {
  await capacity({ socket, nodes: ['host-a1', 'b'], json: true }, fakeTerminal);
  const shown = JSON.parse(printed.join('')) as { node: { id: string } }[];
  expect(shown.map((one) => one.node.id)).toEqual(['b1', 'a1']);
  const asked = capacity({ socket, nodes: ['host-a1', 'x'], json: false }, fakeTerminal);
  await expect(asked).rejects.toThrow('there is no node x');
});
