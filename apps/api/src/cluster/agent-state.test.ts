import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type AgentState, agentIs } from './agent-state.ts';

let runDir: string;
let agent: Server | undefined;
beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), 'shoal-run-'));
});
afterEach(async () => {
  agent?.close();
  agent = undefined;
  await rm(runDir, { recursive: true });
});

function leaveWord(record: object): Promise<void> {
  return writeFile(join(runDir, 'agent.json'), JSON.stringify(record));
}

/** Whoever waits fails. */
const impatient: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic(),
  after: () => {
    throw new Error('it waits');
  },
};

test.each([
  ['nobody', undefined],
  ['an agent that shows no health', { process: 'agent', pid: process.pid, admin: null }],
  ['an agent that died', { process: 'agent', pid: 2 ** 22 + 1, admin: '127.0.0.1:1' }],
])('does not wait for %s', async (_who, record) => {
  if (record !== undefined) await leaveWord(record);
  await agentIs('has its session', runDir, impatient);
});

test.each<[AgentState, readonly object[]]>([
  [
    'has its session',
    [
      { ready: true, role: 'standby' },
      { ready: false, role: 'active' },
      { ready: true, role: 'active' },
    ],
  ],
  [
    'has nothing of a swarm left',
    [
      { ready: true, role: 'active' },
      { ready: true, role: 'locked' },
      { ready: true, role: 'leaving' },
      { ready: true, role: 'standby' },
    ],
  ],
])('waits until the agent %s, also where it may not be signalled', async (wanted, reports) => {
  const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error('kill EACCES'), { code: 'EACCES' });
  });
  onTestFinished(() => kill.mockRestore());
  let asked = 0;
  agent = createServer((_request, response) => {
    response.end(JSON.stringify(reports[asked]));
    asked += 1;
  });
  await new Promise<void>((resolve) => agent?.listen(0, '127.0.0.1', resolve));
  const { port } = agent.address() as AddressInfo;
  await leaveWord({ process: 'agent', pid: process.pid, admin: `127.0.0.1:${port}` });
  await agentIs(wanted, runDir, systemClock);
  expect(asked).toBe(reports.length);
});
