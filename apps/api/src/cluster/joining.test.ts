import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { newJoinToken } from '@shoal/pki';
import { systemRandom } from '@shoal/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type TestHost, TestHosts } from '../testing/hosts.ts';
import { guessesMax } from './authority/guess-limit.ts';
import { type Probes, systemProbes } from './join/probes.ts';

const site = new TestHosts();
const tunnelPort = 5_789;
/** UDP ports that these hosts cannot have: the usual one of tunnels is another program's. */
const denied = new Set([4_789]);
const fakeProbes: Probes = {
  ...systemProbes,
  listen: async (protocol, at) => {
    if (protocol === 'tcp') return systemProbes.listen(protocol, at);
    return denied.has(at.port) ? 'permission denied' : undefined;
  },
};
let manager: TestHost;
let joiner: TestHost;
beforeAll(async () => {
  const [first, second] = await site.start(2, fakeProbes);
  if (first === undefined || second === undefined) throw new Error('two hosts');
  manager = first;
  joiner = second;
  await manager.init({ DataPathPort: tunnelPort });
});
afterAll(() => site.close());

function nodes(): number {
  return manager.view.nodes.size;
}

async function refusal(attempt: Promise<void>): Promise<unknown> {
  const before = nodes();
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(joiner.standing.kind).toBe('inactive');
  expect(existsSync(join(joiner.dataDir, 'swarm', 'node.json'))).toBe(false);
  await eventually('nothing stays of it', () => nodes() === before);
  return error;
}

test('a worker joins, and leaves', async () => {
  await joiner.join(manager, manager.token('worker'));
  const { standing } = joiner;
  if (standing.kind !== 'worker') throw new Error(standing.kind);
  const { identity } = standing;
  expect(identity).toMatchObject({ role: 'worker', voterId: 0, logAddr: '', logKeys: [] });
  expect(identity).toMatchObject({
    advertiseAddr: joiner.address,
    advertiseNamed: true,
    dataPathAddr: joiner.address,
  });
  expect(identity.sealKey).toBeUndefined();
  expect(identity.managers).toMatchObject([{ logAddr: manager.clusterPort }]);
  await manager.caughtUp();
  expect(manager.view.nodes.get(identity.nodeId)).toMatchObject({
    role: 'worker',
    spec: { Role: 'worker', Availability: 'active' },
  });
  await expect(joiner.join(manager, manager.token('worker'))).rejects.toMatchObject({
    status: 503,
  });
  await expect(joiner.init({ ForceNewCluster: true })).rejects.toMatchObject({ status: 503 });
  await joiner.restart();
  expect(joiner.standing.kind).toBe('worker');
  await joiner.membership.leave(false);
  expect(joiner.standing.kind).toBe('inactive');
  expect(existsSync(join(joiner.dataDir, 'swarm'))).toBe(false);
});

test('a token without its form', async () => {
  expect(await refusal(joiner.join(manager, 'SWMTKN-1-bogus-bogus'))).toMatchObject({
    status: 500,
    message: 'invalid join token',
  });
});

test('the token of another swarm', async () => {
  const token = newJoinToken('another root', systemRandom);
  const error = await refusal(joiner.join(manager, token));
  expect(String(error)).toContain('remote CA does not match fingerprint');
});

test('an address where nobody listens, and one where something else does', async () => {
  const deaf = { clusterPort: '127.0.0.2:1' } as TestHost;
  expect(await refusal(joiner.join(deaf, manager.token('worker')))).toMatchObject({
    status: 503,
    message: expect.stringContaining('dial tcp 127.0.0.2:1: connect: connection refused'),
  });
  const other = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.2', resolve));
  const address = other.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const clusterPort = `127.0.0.2:${address.port}`;
  const error = await refusal(joiner.join({ clusterPort } as TestHost, manager.token('worker')));
  other.close();
  expect(String(error)).toContain(`what listens at ${clusterPort} does not answer as a manager`);
});

test('a port of this host that is taken', async () => {
  const [host, port] = joiner.clusterPort.split(':');
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(Number(port), host, resolve));
  const error = await refusal(joiner.join(manager, manager.token('worker')));
  await new Promise<void>((resolve) => taken.close(() => resolve()));
  expect(String(error)).toContain(`listen tcp ${joiner.clusterPort}: bind: address already in use`);
});

test('the port of this swarm’s tunnels, before the swarm learns of the node', async () => {
  denied.add(tunnelPort);
  const error = await refusal(joiner.join(manager, manager.token('worker')));
  denied.delete(tunnelPort);
  expect(String(error)).toContain(
    `bind: permission denied: this host needs ${tunnelPort}/udp for overlay networks`,
  );
});

test('a clock that is wrong, before the swarm learns of the node', async () => {
  joiner.clockOffMs = 3_600_000;
  const error = await refusal(joiner.join(manager, manager.token('worker')));
  joiner.clockOffMs = 0;
  expect(error).toMatchObject({ status: 400 });
  expect(String(error)).toMatch(
    /the clock of this host is 3(599|600|601) seconds ahead of that of the manager at 127\.0\.0\.2:\d+: set both by NTP/,
  );
});

test('a manager that the others cannot reach is not taken in, and nothing of it stays', async () => {
  const error = await refusal(joiner.join(manager, manager.token('manager'), '127.0.0.99'));
  expect(String(error)).toContain('the leader cannot reach this manager at 127.0.0.99:');
}, 60_000);

test('a token that was rotated away, until there were too many', async () => {
  const old = manager.token('worker');
  await manager.update({ rotateWorkerToken: true });
  const error = await refusal(joiner.join(manager, old));
  expect(error).toMatchObject({
    status: 400,
    message: expect.stringContaining('valid join token is necessary to join this cluster'),
  });
  for (let guess = 1; guess < guessesMax; guess += 1) await refusal(joiner.join(manager, old));
  const late = await refusal(joiner.join(manager, manager.token('worker')));
  expect(late).toMatchObject({ status: 503 });
  expect(String(late)).toContain('too many wrong join tokens came from');
}, 60_000);
