import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type ConnectionLimits, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ClusterCa, createClusterCa, createNodeKey, issueCertificate } from './authority.ts';
import { type Proof, RenewableProof } from './certificate-source.ts';
import { callOf, requireRole } from './grpc.ts';
import { listenSecurely, type SecureListener } from './secure-listener.ts';

const clusterId = 'cluster';
const protocol = 'test';
const host = '127.0.0.1';
const limits: ConnectionLimits = {
  provedMax: 8,
  provedPerNodeMax: 3,
  strangersMax: 6,
  strangersPerAddressMax: 4,
};

let ca: ClusterCa;
let source: RenewableProof;
let listener: SecureListener;
let taken: TLSSocket[];
let sockets: Socket[];

beforeEach(async () => {
  [taken, sockets] = [[], []];
  ca = await createClusterCa(systemClock.now(), systemRandom);
  source = new RenewableProof(await proofOf('m1'));
  listener = await listenSecurely({
    address: { host, port: 0 },
    source,
    client: 'required',
    provenNode: (socket) => {
      const allowed = requireRole(callOf(socket), clusterId, 'worker');
      return allowed.kind === 'peer' ? allowed.peer.nodeId : undefined;
    },
    protocols: {
      [protocol]: (socket) => {
        taken.push(socket);
        socket.resume();
      },
    },
    limits,
  });
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  listener.destroy();
});

async function proofOf(nodeId: string): Promise<Proof> {
  const [now, random] = [systemClock.now(), systemRandom];
  const { key, request } = await createNodeKey();
  const subject = { nodeId, role: 'worker', clusterId } as const;
  const issued = await issueCertificate({ ca, request, subject, now, random });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { caCertificate: ca.certificate, certificate: issued.certificate, key };
}

function stranger(): Socket {
  const socket = connect({ host, port: listener.port });
  socket.on('error', () => undefined);
  socket.resume();
  sockets.push(socket);
  return socket;
}

/** Connects as the node; resolves with why it is over, or with the connection once the server has taken it. */
async function asNode(
  { caCertificate, certificate, key }: Proof,
  options: { readonly protocol?: string; readonly maxVersion?: 'TLSv1.2' } = {},
): Promise<TLSSocket | 'over'> {
  const before = taken.length;
  const socket = connectTls({
    host,
    port: listener.port,
    ca: caCertificate,
    cert: certificate,
    key,
    checkServerIdentity: () => undefined,
    ALPNProtocols: [options.protocol ?? protocol],
    ...(options.maxVersion === undefined ? {} : { maxVersion: options.maxVersion }),
  });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.resume();
  await vi.waitFor(() => expect(socket.closed || taken.length > before).toBe(true), 5_000);
  return taken.length > before ? socket : 'over';
}

const openOf = (all: readonly Socket[]): number => all.filter(({ closed }) => !closed).length;

test('strangers of one address have their share, and keep no node out', async () => {
  const node = await proofOf('n1');
  const first = await asNode(node);
  const strangers = Array.from({ length: 40 }, stranger);
  await vi.waitFor(() => expect(openOf(strangers)).toBeLessThanOrEqual(4), 5_000);
  expect(await asNode(node)).not.toBe('over');
  expect(first !== 'over' && first.closed).toBe(false);
});

test('a node has so many connections and no more; the places of others are not touched', async () => {
  const node = await proofOf('n1');
  for (let turn = 0; turn < 3; turn += 1) expect(await asNode(node)).not.toBe('over');
  expect(await asNode(node)).toBe('over');
  expect(await asNode(await proofOf('n2'))).not.toBe('over');
  taken[0]?.destroy();
  await vi.waitFor(async () => expect(await asNode(node)).not.toBe('over'), 5_000);
});

test('who is of another cluster, speaks another protocol or an old TLS gets nowhere', async () => {
  const foreign = await createClusterCa(systemClock.now(), systemRandom);
  const own = await proofOf('n1');
  ca = foreign;
  const other = await proofOf('n1');
  expect(await asNode({ ...other, caCertificate: own.caCertificate })).toBe('over');
  expect(await asNode(own, { protocol: 'other' })).toBe('over');
  expect(await asNode(own, { maxVersion: 'TLSv1.2' })).toBe('over');
  source.renew(source.current());
  expect(await asNode(own, { maxVersion: 'TLSv1.2' })).toBe('over');
  expect(await asNode(own)).not.toBe('over');
});

test('nodes that are dismissed lose their connections, the others keep theirs', async () => {
  const [n1, n2] = [await asNode(await proofOf('n1')), await asNode(await proofOf('n2'))];
  if (n1 === 'over' || n2 === 'over') throw new Error('not taken');
  listener.dismiss((nodeId) => nodeId === 'n1');
  await vi.waitFor(() => expect(n1.closed).toBe(true), 5_000);
  expect(n2.closed).toBe(false);
});

test('an address that is taken is refused', async () => {
  const address = { host, port: listener.port };
  const options = { source, client: 'required', provenNode: () => undefined } as const;
  await expect(
    listenSecurely({ ...options, address, protocols: { [protocol]: () => undefined }, limits }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
