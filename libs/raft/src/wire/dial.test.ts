import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { RenewableProof } from '@shoal/pki';
import { systemClock } from '@shoal/runtime';
import { afterEach, expect, test } from 'vitest';
import { clientProof, newAuthority, proofOf } from '../service/testing/certificates.ts';
import type { VoterTls } from '../service/worker-protocol.ts';
import { dial } from './dial.ts';
import { framesOf } from './frames.ts';
import { logProtocol, type ProposeStream, proposing } from './protocol.ts';

let server: Server | undefined;
afterEach(() => server?.close());

/** Something that listens as a voter does; `said` is what it hears. */
async function listening(
  shown: VoterTls,
  protocol: string,
  serve: (socket: TLSSocket) => void,
): Promise<{ readonly addr: string; readonly said: Buffer[] }> {
  const said: Buffer[] = [];
  const { trustRoots: ca, certificate: cert, key } = shown;
  server = createServer({ ca, cert, key, ALPNProtocols: [protocol] }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => said.push(bytes));
    serve(socket);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { addr: `127.0.0.1:${(server.address() as AddressInfo).port}`, said };
}

function propose(addr: string, tls: VoterTls, openMsMax?: number): ProposeStream {
  const stream = dial({
    addr,
    source: new RenewableProof(clientProof(tls)),
    opening: { $case: 'propose', value: { forwarded: false, follows: false } },
    codec: proposing,
    clock: systemClock,
    ...(openMsMax === undefined ? {} : { openMsMax }),
  });
  stream.write({ requestId: 1, body: { $case: 'readIndex', value: {} } });
  return stream;
}

async function failure(stream: ProposeStream): Promise<string> {
  const [error] = (await once(stream, 'error')) as [Error];
  return error.message;
}

test('nothing is said to one who is no manager of the cluster', async () => {
  const ca = await newAuthority();
  const own = await proofOf(ca, 'node', 'manager');
  const foreign = await proofOf(await newAuthority(), 'node', 'manager');
  for (const shown of [foreign, await proofOf(ca, 'worker', 'worker')]) {
    const { addr, said } = await listening(shown, logProtocol, () => undefined);
    expect(await failure(propose(addr, own))).toMatch(/certificate|altnames/i);
    expect(said).toEqual([]);
    server?.close();
  }
});

test('one who speaks another protocol, answers with something else, or not at all, is left', async () => {
  const own = await proofOf(await newAuthority(), 'node', 'manager');
  const other = await listening(own, 'h2', () => undefined);
  expect(await failure(propose(other.addr, own))).not.toBe('');
  expect(other.said).toEqual([]);
  server?.close();
  const strange = await listening(own, logProtocol, (socket) => {
    socket.write(framesOf([Buffer.from([0xff, 0xff])]));
  });
  expect(await failure(propose(strange.addr, own))).toContain('does not answer in the protocol');
  server?.close();
  const silent = await listening(own, logProtocol, () => undefined);
  expect(await failure(propose(silent.addr, own, 50))).toBe('no answer from the voter');
});
