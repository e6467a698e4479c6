import { Metadata, status } from '@grpc/grpc-js';
import {
  type ClusterCa,
  channelCredentials,
  channelOptions,
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  type NodeRole,
  type Proof,
  RenewableProof,
} from '@shoal/pki';
import { type DecisionsResponse, ExplainClient } from '@shoal/proto';
import { parseHostPort, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';
import { type ExplainServer, serveExplain } from './serve.ts';
import { DecisionStore } from './store.ts';

const clusterId = 'cluster0000000000000000000';
const answerMsMax = 5_000;

let ca: ClusterCa;
let server: ExplainServer;
let board: FakeBoard;

beforeEach(async () => {
  ca = await createClusterCa(systemClock.now(), systemRandom);
  board = new FakeBoard();
  board.node('node1', { change: { role: 'manager' } });
  board.service('web');
  const identity = { clusterId, advertiseAddr: '127.0.0.1' } as Identity;
  server = await serveExplain({
    session: { identity, proof: new RenewableProof(await proofOf('m1', 'manager')) },
    view: board.state.view,
    store: new DecisionStore(),
    clock: systemClock,
    logger: silentLogger,
  });
});
afterEach(() => server.stop());

async function proofOf(nodeId: string, role: NodeRole): Promise<Proof> {
  const { key, request } = await createNodeKey();
  const subject = { nodeId, role, clusterId };
  const now = systemClock.now();
  const issued = await issueCertificate({ ca, request, subject, now, random: systemRandom });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { caCertificate: ca.certificate, certificate: issued.certificate, key };
}

async function ask(role: NodeRole, nodeId = 'node1'): Promise<DecisionsResponse> {
  const credentials = channelCredentials(await proofOf(nodeId, role));
  const client = new ExplainClient(server.address, credentials, channelOptions('manager'));
  const request = { serviceId: 'web', taskIds: [], decisionsMax: 5, look: true };
  const deadline = new Date(systemClock.now() + answerMsMax);
  try {
    return await new Promise<DecisionsResponse>((resolve, reject) => {
      client.decisions(request, new Metadata(), { deadline }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}

test('a manager is told at the address that the lease names', async () => {
  expect(parseHostPort(server.address)?.port).toBeGreaterThan(0);
  expect(await ask('manager')).toMatchObject({
    decisions: [],
    look: { nodes: 1, fitting: 1, candidates: [{ nodeId: 'node1', fails: '' }] },
  });
});

test('a worker is refused, and who was a manager', async () => {
  const refusal = { code: status.PERMISSION_DENIED };
  await expect(ask('worker')).rejects.toMatchObject(refusal);
  await expect(ask('manager', 'removed')).rejects.toMatchObject(refusal);
  board.changeNode('node1', () => ({ role: 'worker' }));
  await expect(ask('manager')).rejects.toMatchObject(refusal);
});
