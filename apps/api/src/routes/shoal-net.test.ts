import { Server, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { requireRole, serverCredentials } from '@shoal/pki';
import {
  type CheckNetworksRequest,
  type CheckNetworksResponse,
  DispatcherService,
  type NodeDrift,
  type NodePaths,
  type VerifyNetworksRequest,
  type VerifyNetworksResponse,
} from '@shoal/proto';
import type { Lease, Node } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;
let server: Server;
let drifts: NodeDrift[];
let paths: NodePaths[];
const asked: unknown[] = [];
const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Node['meta'];

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
  drifts = [];
  paths = [];
  asked.length = 0;
  addLease('dispatcher@a/0', `127.0.0.1:${await serve()}`);
});
afterEach(async () => {
  server.forceShutdown();
  await site.close();
});

/** A dispatcher that knows what the test says, on a real port with real certificates. */
async function serve(): Promise<number> {
  const { standing } = site.host;
  if (standing.kind !== 'manager') throw new Error('no manager');
  const { identity } = standing.manager;
  server = new Server();
  const answer =
    <Q, A>(of: () => A) =>
    (call: ServerUnaryCall<Q, A>, done: sendUnaryData<A>) => {
      const allowed = requireRole(call, identity.clusterId, 'manager');
      asked.push(call.request);
      if (allowed.kind === 'refused') done(allowed.error);
      else done(null, of());
    };
  server.addService(DispatcherService, {
    verifyNetworks: answer<VerifyNetworksRequest, VerifyNetworksResponse>(() => ({
      nodes: drifts,
    })),
    checkNetworks: answer<CheckNetworksRequest, CheckNetworksResponse>(() => ({ nodes: paths })),
  });
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', serverCredentials(identity), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

function addLease(id: string, address: string): void {
  const object: Lease = { id, meta, stage: 'dispatcher', nodeId: 'm', address };
  site.host.log.write([{ op: 'create', table: 'lease', object }], 'system');
}

function addNode(id: string, hostname: string): void {
  const object: Node = {
    id,
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: hostname,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: {},
      Engine: { EngineVersion: '20', Plugins: [] },
    },
    status: { state: 'ready', message: '', addr: '192.0.2.1', dispatcher: 'd' },
  };
  site.host.log.write([{ op: 'create', table: 'node', object }]);
}

const digest = (names: string, balancer: string) => ({
  networkId: 'n',
  names,
  balancer,
  peers: 'p',
  problems: [],
});

test('drift: per host and network what each consumer serves, and who was not asked', async () => {
  addNode('w1', 'host-b');
  addNode('w2', 'host-a');
  addNode('w3', 'away');
  const implied = digest('n1', 'b1');
  const network = (served: typeof implied, differsMs: number) => ({
    networkId: 'n',
    served,
    implied,
    differsMs,
    repairs: 2,
  });
  drifts = [
    { nodeId: 'w1', networks: [network(digest('n1', ''), 0)] },
    { nodeId: 'w2', networks: [network(digest('old', 'b1'), 700)] },
  ];
  const { status, json } = await site.ask('GET', '/shoal/v1/net/verify');
  expect(status).toBe(200);
  const answer = json as { Hosts: object[]; Gaps: string[] };
  expect(answer.Hosts).toEqual([
    {
      Network: { ID: 'n', Name: 'n' },
      Host: { ID: 'w2', Hostname: 'host-a' },
      Names: 'differs',
      Balancer: 'ok',
      Peers: 'ok',
      DiffersMs: 700,
      Repairs: 2,
      Problems: [],
    },
    {
      Network: { ID: 'n', Name: 'n' },
      Host: { ID: 'w1', Hostname: 'host-b' },
      Names: 'ok',
      Balancer: 'unknown',
      Peers: 'ok',
      DiffersMs: 0,
      Repairs: 2,
      Problems: [],
    },
  ]);
  expect(answer.Gaps).toContain('away is ready: nothing is known of it');
  expect(asked).toEqual([{ networkId: '' }]);
  expect((await site.ask('GET', '/shoal/v1/net/verify?network=nothing')).status).toBe(404);
});

test('reachability: every pair with path and cause; silent hosts and dispatchers are named', async () => {
  addNode('w1', 'host-b');
  addNode('w2', 'host-a');
  addNode('w3', 'away');
  addLease('dispatcher@b/0', '127.0.0.1:1');
  const [path, cause] = ['gossip 7946/tcp', 'no route to the host'];
  paths = [
    { nodeId: 'w1', results: [{ nodeId: 'w2', path, ok: false, cause }], silent: false },
    { nodeId: 'w2', results: [], silent: true },
  ];
  const { status, json } = await site.ask('POST', '/shoal/v1/net/check', { timeoutMs: 500 });
  expect(status).toBe(200);
  const answer = json as { Pairs: object[]; Gaps: string[] };
  expect(answer.Pairs).toEqual([
    {
      From: { ID: 'w1', Hostname: 'host-b' },
      To: { ID: 'w2', Hostname: 'host-a' },
      Path: path,
      OK: false,
      Cause: cause,
    },
  ]);
  expect(answer.Gaps).toContain('host-a did not answer in time');
  expect(answer.Gaps).toContain('away is ready: it could try no path');
  expect(answer.Gaps.some((gap) => gap.startsWith('dispatcher@b/0 did not answer'))).toBe(true);
  expect(asked).toEqual([{ timeoutMs: 500 }]);
  expect((await site.ask('POST', '/shoal/v1/net/check', { timeoutMs: 5 })).status).toBe(400);
});
