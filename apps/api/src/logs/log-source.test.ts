import { Server, type ServerWritableStream } from '@grpc/grpc-js';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  serverCredentials,
} from '@shoal/pki';
import { DispatcherService, type LogLines, type LogSubscription } from '@shoal/proto';
import { systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DispatcherLogs, type LogStream } from './log-source.ts';

type Call = ServerWritableStream<LogSubscription, LogLines>;

const clusterId = 'cluster0000000000000000000';
/** More than all windows and buffers between the two take. */
const messages = 200;
const text = Buffer.alloc(60 << 10);

let identity: Identity;
let server: Server;
let address: string;
let calls: Call[];
let logs: DispatcherLogs;

beforeEach(async () => {
  const now = systemClock.now();
  const ca = await createClusterCa(now, systemRandom);
  const { key, request } = await createNodeKey();
  const subject = { nodeId: 'm1', role: 'manager', clusterId } as const;
  const issued = await issueCertificate({ ca, request, subject, now, random: systemRandom });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  identity = {
    ...subject,
    voterId: 1,
    advertiseAddr: '127.0.0.1',
    listenAddr: '',
    logAddr: '',
    dispatcherAddr: '',
    managers: [],
    logKeys: [],
    key,
    certificate: issued.certificate,
    caCertificate: ca.certificate,
  };
  calls = [];
  logs = new DispatcherLogs();
  server = new Server();
  server.addService(DispatcherService, {
    subscribeLogs: (call: Call) => {
      call.on('error', () => undefined);
      calls.push(call);
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', serverCredentials(identity), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  address = `127.0.0.1:${port}`;
});
afterEach(() => server.forceShutdown());

class Reader {
  messages = 0;
  readonly ends: string[] = [];
  readonly stream: LogStream;

  constructor(of: Identity = identity) {
    const range = { follow: true, tail: -1, since: undefined, until: undefined };
    const asked = { id: 's', taskIds: ['t'], ...range, stdout: true, stderr: true };
    this.stream = logs.subscribe(of, address, asked, {
      lines: () => {
        this.messages += 1;
      },
      end: (failure) => this.ends.push(failure),
    });
  }
}

/** Writes as fast as the client takes it. */
async function flood(call: Call): Promise<void> {
  const where = { taskId: 't', nodeId: 'n', stream: 1, time: undefined, attributes: '' } as const;
  for (let count = 0; count < messages; count += 1) {
    const lines = [{ ...where, data: text }];
    if (call.write({ subscriptionId: 's', lines, gaps: [], end: undefined })) continue;
    await new Promise((resolve) => call.once('drain', resolve));
  }
  call.end();
}

test('streams share a connection, and a paused one does not hold up the others', async () => {
  const [still, quick] = [new Reader(), new Reader()];
  await expect.poll(() => calls.length).toBe(2);
  expect(new Set(calls.map((call) => call.getPeer())).size).toBe(1);
  still.stream.pause();
  for (const call of calls) void flood(call);
  await expect.poll(() => quick.messages, { timeout: 10_000 }).toBe(messages);
  await expect.poll(() => quick.ends).toEqual(['']);
  expect(still.messages).toBe(0);
  still.stream.resume();
  await expect.poll(() => still.messages, { timeout: 10_000 }).toBe(messages);
  await expect.poll(() => still.ends).toEqual(['']);
});

test('a dispatcher that dies ends its streams, each once; a new certificate has a new connection', async () => {
  const readers = [new Reader(), new Reader({ ...identity })];
  await expect.poll(() => calls.length).toBe(2);
  expect(new Set(calls.map((call) => call.getPeer())).size).toBe(2);
  server.forceShutdown();
  for (const { ends } of readers) await expect.poll(() => ends).toHaveLength(1);
  expect(readers[0]?.ends[0]).not.toBe('');
  // And one that is not there at all.
  const late = new Reader();
  await expect.poll(() => late.ends).toHaveLength(1);
  expect(late.messages).toBe(0);
});
