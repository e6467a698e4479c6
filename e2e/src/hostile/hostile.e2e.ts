// Garbage, half-open connections, oversize frames and forged certificates on every port of a host.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ClusterCa,
  channelCredentials,
  channelOptions,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  loadIdentity,
  type NodeSubject,
} from '@shoal/pki';
import { DispatcherClient, LogClient } from '@shoal/proto';
import { systemClock, systemRandom } from '@shoal/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host, type ProcessStatus } from '../host/host.ts';
import { eventually } from '../host/wait.ts';
import {
  badRequests,
  brokenFrames,
  garbage,
  plainHttp,
  say,
  sayInTls,
  silentConnections,
  tornHandshakes,
} from './attacks.ts';

/** How much a process may hold on to after an attack, MiB. */
const growthMax = 128;
const connectionsHeld = 400;

let host: Host;
let ports: { readonly cluster: number; readonly dispatcher: number };
let subject: NodeSubject;
let trustRoot: string;
let foreign: ClusterCa;

beforeAll(async () => {
  host = await Host.create('hostile');
  await host.up();
  await host.init();
  await eventually('every process is ready', async () =>
    (await host.status()).every(({ healthy, ready }) => healthy && ready),
  );
  const state = await loadIdentity(host.dataDirectory);
  if (state.kind !== 'complete') throw new Error(`the identity is ${state.kind}`);
  const { identity } = state;
  const portOf = (address: string): number => Number(address.split(':').at(-1));
  ports = { cluster: portOf(identity.logAddr), dispatcher: portOf(identity.dispatcherAddr) };
  subject = { nodeId: identity.nodeId, role: 'manager', clusterId: identity.clusterId };
  trustRoot = identity.caCertificate;
  foreign = await createClusterCa(systemClock.now(), systemRandom);
});

afterAll(async () => {
  await host.destroy();
});

const at = (port: number) => ({ host: '127.0.0.1', port });

function residentMiB({ pid }: ProcessStatus): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
}

/** Every process must be the same as before, in health, and not much larger; and the swarm must answer. */
async function withstands(attack: () => Promise<unknown>): Promise<void> {
  const before = await host.status();
  const sizes = new Map(before.map((row) => [row.process, residentMiB(row)]));
  await attack();
  await host.docker('service', 'ls');
  const after = await host.status();
  expect(after.map(({ process, pid }) => [process, pid])).toEqual(
    before.map(({ process, pid }) => [process, pid]),
  );
  for (const row of after) {
    expect(row, row.process).toMatchObject({ healthy: true, ready: true });
    expect(residentMiB(row) - (sizes.get(row.process) ?? 0), row.process).toBeLessThan(growthMax);
  }
}

/** A certificate of this cluster's own node, as another root would make it. */
async function forged(from: ClusterCa, validityMs: number, now = systemClock.now()) {
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca: from,
    request,
    subject,
    now,
    random: systemRandom,
    validityMs,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { caCertificate: trustRoot, certificate: issued.certificate, key };
}

describe.each(['cluster', 'dispatcher'] as const)('the %s port', (which) => {
  test.each([
    ['garbage', garbage],
    ['torn handshakes', tornHandshakes],
    ['another protocol', plainHttp],
    ['broken frames of a caller without certificate', brokenFrames],
  ])('%s', async (_name, attack) => {
    await withstands(() => attack(at(ports[which])));
  });

  test('connections that say nothing', async () => {
    await withstands(async () => {
      const held = await silentConnections(at(ports[which]), connectionsHeld);
      // The host is of use while they stand.
      await host.docker('node', 'ls');
      held.end();
    });
  });

  test('broken frames of a caller with a certificate of another root', async () => {
    const { certificate, key } = await forged(foreign, 3_600_000);
    await withstands(() => brokenFrames(at(ports[which]), { cert: certificate, key }));
  });

  test('a certificate of another root opens nothing', async () => {
    const proof = await forged(foreign, 3_600_000);
    const address = `127.0.0.1:${ports[which]}`;
    const refusal = await new Promise<string>((resolve) => {
      const options = channelOptions('manager');
      const client =
        which === 'cluster'
          ? new LogClient(address, channelCredentials(proof), options)
          : new DispatcherClient(address, channelCredentials(proof), options);
      const done = (text: string): void => {
        client.close();
        resolve(text);
      };
      if (client instanceof LogClient)
        client.status({}, (error) => done(error === null ? 'let in' : String(error.code)));
      else {
        const call = client.session();
        call.on('data', () => done('let in'));
        call.on('error', (error) => done(String((error as { code?: number }).code)));
        call.write({
          body: {
            $case: 'register',
            value: { previousSession: '', description: Buffer.from('{}'), agentVersion: 'x' },
          },
        });
      }
    });
    // UNAVAILABLE: the handshake fails; PERMISSION_DENIED, UNAUTHENTICATED: the call does.
    expect(['14', '7', '16']).toContain(refusal);
  });
});

describe('the socket of the API', () => {
  test.each(badRequests)('%s', async (_name, parts, answer) => {
    await withstands(async () => {
      expect(await say({ path: host.socket }, parts)).toMatch(answer);
    });
  });

  test('connections that say nothing', async () => {
    await withstands(async () => {
      const held = await silentConnections({ path: host.socket }, connectionsHeld);
      await host.docker('node', 'ls');
      held.end();
    });
  });
});

test('garbage on the ports for metrics and health', async () => {
  const admins = (await host.status()).map(({ process: name }) => {
    const said: unknown = JSON.parse(readFileSync(join(host.runDirectory, `${name}.json`), 'utf8'));
    return Number((said as { admin: string }).admin.split(':').at(-1));
  });
  await withstands(async () => {
    for (const port of admins) {
      await say(at(port), ['GET /metrics HTTP/1.1\r\nX: ', 'a'.repeat(100_000)]);
      await sayInTls(at(port), ['x']);
    }
  });
});
