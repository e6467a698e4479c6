import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  credentials,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type AttachContainerRequest,
  type AttachContainerResponse,
  type DetachContainerRequest,
  DispatcherClient,
  DispatcherService,
} from '@shoal/proto';
import { silentLogger, systemClock } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { EndpointRecord } from '@shoal/state';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ContainerAttachments } from './attachments.ts';

const patience = { timeout: 10_000, interval: 5 };
const announcedMs = 5 * 60_000;

let folder: string;
let server: Server;
let client: DispatcherClient;
let clock: FakeClock;
let attachments: ContainerAttachments;
let given: number;
let detached: string[];
let published: EndpointRecord[];
let withdrawn: string[];
let evicted: string[];
/** Addresses that are somebody else's by now. */
let givenAway: string[];
let buildable: boolean;
/** Names that the dispatcher was told, and whether it takes them. */
let named: string[];
/** What it was told them with. */
let asked: string[];
let led: boolean;
/** Whether it says records as this version knows them. */
let readable: boolean;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-attachments-'));
  [given, detached, published, withdrawn, buildable] = [0, [], [], [], true];
  [named, asked, led, readable] = [[], [], true, true];
  [evicted, givenAway] = [[], []];
  server = new Server();
  server.addService(DispatcherService, {
    attachContainer: fakeAttach,
    detachContainer: (
      call: ServerUnaryCall<DetachContainerRequest, object>,
      done: Done<object>,
    ) => {
      detached.push(call.request.attachmentId);
      done(null, {});
    },
  });
  const address = `unix://${join(folder, 'dispatcher.sock')}`;
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  client = new DispatcherClient(address, credentials.createInsecure());
  // Deadlines of calls are by the real time of day.
  clock = new FakeClock(systemClock.now());
  attachments = new ContainerAttachments({
    nodeId: 'h',
    clock,
    logger: silentLogger,
    ensure: async (id) =>
      buildable
        ? { kind: 'ok', engineNetwork: `engine-${id}` }
        : { kind: 'failed', message: `network ${id}: no tunnel` },
    nameservers: () => ['10.0.1.1', '192.0.2.53'],
    publish: (record) => published.push(record),
    withdraw: (_networkId, id) => withdrawn.push(id),
    evict: (id) => evicted.push(id),
  });
  attachments.session(client);
});
afterEach(async () => {
  attachments.stop();
  client.close();
  server.forceShutdown();
  await rm(folder, { recursive: true, force: true });
});

type Done<T> = sendUnaryData<T>;

/** A dispatcher that knows the network `demo`, with id `n`. */
function fakeAttach(
  { request }: ServerUnaryCall<AttachContainerRequest, AttachContainerResponse>,
  done: Done<AttachContainerResponse>,
): void {
  const { networkId, attachmentId, name, wanted } = request;
  const none = { attachmentId: '', addresses: [], record: Buffer.alloc(0), givenAway: false };
  if (networkId !== 'demo' && networkId !== 'n') {
    done(null, { ...none, problem: `network ${networkId} not found` });
    return;
  }
  if (name !== '') {
    named.push(name);
    asked.push(`${attachmentId} ${name} ${wanted}`);
    if (!led) {
      done({ code: status.UNAVAILABLE, details: 'no leader' });
      return;
    }
  }
  if (givenAway.includes(wanted)) {
    done(null, { ...none, problem: `attachment ${attachmentId} not found`, givenAway: true });
    return;
  }
  if (attachmentId === '') given += 1;
  const id = attachmentId === '' ? `a${given}` : attachmentId;
  const address = wanted === '' ? `10.0.1.${10 + given}` : wanted;
  const record: EndpointRecord = {
    networkId: 'n',
    endpointId: id,
    kind: 'container',
    nodeId: 'h',
    vtep: '192.0.2.1',
    addresses: [address],
    name,
    containerAliases: [],
    slot: 0,
    serving: true,
  };
  done(null, {
    attachmentId: id,
    addresses: [`${address}/24`],
    record: Buffer.from(JSON.stringify(readable ? record : { ...record, addresses: address })),
    problem: '',
    givenAway: false,
  });
}

test('an announced container takes the address that was kept for it', async () => {
  expect(await attachments.announce('demo')).toEqual({
    engineNetwork: 'engine-n',
    problem: '',
    nameservers: ['10.0.1.1', '192.0.2.53'],
  });
  expect(attachments.ids).toEqual(['a1']);
  expect(published).toEqual([]);
  const attached = await attachments.attach('n');
  expect(attached).toEqual({ kind: 'ok', attachmentId: 'a1', addresses: ['10.0.1.11/24'] });
  expect(given).toBe(1);
  expect(published.map(({ endpointId }) => endpointId)).toEqual(['a1']);
  expect(await attachments.attach('n', '10.0.1.77')).toMatchObject({
    attachmentId: 'a2',
    addresses: ['10.0.1.77/24'],
  });
});

test('an answer that cannot be read is a sentence, and the address goes back', async () => {
  readable = false;
  const message = expect.stringMatching(/^the manager's answer cannot be read: .*addresses: /);
  expect(await attachments.attach('n')).toEqual({ kind: 'failed', message });
  expect(await attachments.announce('demo')).toMatchObject({ problem: message });
  await vi.waitFor(() => expect(detached).toEqual(['a1', 'a2']), patience);
  expect(attachments.ids).toEqual([]);
});

test('a name makes it known to others; its end frees the address', async () => {
  await attachments.attach('n');
  attachments.named('a1', 'box', []);
  attachments.named('a1', 'box', []);
  expect(published.map(({ name }) => name)).toEqual(['', 'box']);
  attachments.detach('a1');
  attachments.detach('a1');
  expect(withdrawn).toEqual(['a1']);
  await vi.waitFor(() => expect(detached).toEqual(['a1']), patience);
  expect(attachments.ids).toEqual([]);
});

test('a name that no manager has taken is told again, by audits and by a new session', async () => {
  await attachments.attach('n');
  led = false;
  attachments.named('a1', 'box', []);
  await vi.waitFor(() => expect(named).toEqual(['box']), patience);
  attachments.named('a1', 'box', []);
  await vi.waitFor(() => expect(named).toEqual(['box', 'box']), patience);
  led = true;
  attachments.session(client);
  await vi.waitFor(() => expect(named).toHaveLength(3), patience);
  // An answer comes after that of the question before it.
  await attachments.attach('n');
  attachments.named('a1', 'box', []);
  attachments.named('a1', 'crate', []);
  await vi.waitFor(() => expect(named).toEqual(['box', 'box', 'box', 'crate']), patience);
  expect(published.map(({ name }) => name)).toEqual(['', 'box', '', 'crate']);
});

test('each session hears what containers hold: the managers may have given it up', async () => {
  await attachments.attach('n');
  attachments.held({
    networkId: 'n',
    endpointId: 'dual',
    addresses: ['10.0.1.50/24', 'fd00::50/64'],
  });
  attachments.named('a1', 'box', []);
  attachments.named('dual', 'both', []);
  await vi.waitFor(() => expect(named).toHaveLength(2), patience);
  // An answer comes after that of the question before it.
  await attachments.attach('n');
  asked = [];
  attachments.session(client);
  await vi.waitFor(() => expect(asked).toEqual(['a1 box 10.0.1.11', 'dual both ']), patience);
});

test('an address that is somebody else’s by now is let go of', async () => {
  await attachments.attach('n');
  attachments.named('a1', 'box', []);
  await vi.waitFor(() => expect(named).toEqual(['box']), patience);
  await attachments.attach('n');
  givenAway = ['10.0.1.11'];
  attachments.session(client);
  await vi.waitFor(() => expect(evicted).toEqual(['a1']), patience);
  expect(withdrawn).toEqual(['a1']);
  expect(attachments.ids).toEqual(['a2']);
  // It is the other's: nothing is given back.
  expect(detached).toEqual([]);
});

test('after a restart the name is told once more', async () => {
  await attachments.attach('n');
  const record = published[0];
  if (record === undefined) throw new Error('nothing was published');
  attachments.restore({ ...record, name: 'box' });
  attachments.named('a1', 'box', []);
  await vi.waitFor(() => expect(named).toEqual(['box']), patience);
  expect(published).toHaveLength(1);
});

test('what was announced and does not come is given back', async () => {
  await attachments.announce('demo');
  await clock.advance(announcedMs - 1);
  expect(attachments.ids).toEqual(['a1']);
  await clock.advance(1);
  expect(attachments.ids).toEqual([]);
  await vi.waitFor(() => expect(detached).toEqual(['a1']), patience);
});

test('a network that cannot be built leaves nothing behind', async () => {
  buildable = false;
  expect((await attachments.announce('demo')).problem).toBe('network n: no tunnel');
  await vi.waitFor(() => expect(detached).toEqual(['a1']), patience);
  expect(attachments.ids).toEqual([]);
});

test('the words of the dispatcher are handed on, and that there is none', async () => {
  expect((await attachments.announce('nil')).problem).toBe('network nil not found');
  expect(await attachments.attach('nil')).toEqual({
    kind: 'failed',
    message: 'network nil not found',
  });
  attachments.session(undefined);
  expect((await attachments.announce('demo')).problem).toBe('no manager can be reached');
});

test('after a restart those that are gone from the engine are withdrawn', async () => {
  const record = { networkId: 'n', kind: 'container' } as EndpointRecord;
  attachments.restore({ ...record, endpointId: 'a7' });
  attachments.restore({ ...record, endpointId: 'a8' });
  attachments.present('n', new Set(['a8']));
  expect(withdrawn).toEqual(['a7']);
  expect(attachments.ids).toEqual(['a8']);
});

test('all of its names are told to other hosts, and those that changed again', async () => {
  await attachments.attach('n');
  attachments.named('a1', 'box', ['db', 'box-host']);
  attachments.named('a1', 'box', ['db', 'box-host']);
  attachments.named('a1', 'box', ['db']);
  expect(published.map(({ name, containerAliases }) => [name, containerAliases])).toEqual([
    ['', []],
    ['box', ['db', 'box-host']],
    ['box', ['db']],
  ]);
});

test('one that the driver has and nobody told of is there as well', () => {
  const held = { networkId: 'n', endpointId: 'a7', addresses: ['10.0.1.50/24'] };
  attachments.held(held);
  expect(attachments.ids).toEqual(['a7']);
  // Where this host is to be reached is not known yet.
  expect(published).toEqual([]);
  attachments.vtep = '192.0.2.1';
  const record = { endpointId: 'a7', nodeId: 'h', vtep: '192.0.2.1', addresses: ['10.0.1.50'] };
  expect(attachments.records).toMatchObject([record]);
  attachments.named('a7', 'box', []);
  attachments.held(held);
  expect(published).toMatchObject([{ ...record, name: 'box' }]);
});

test('after its host got another address that one is told, whatever a manager says', async () => {
  attachments.vtep = '192.0.2.77';
  await attachments.attach('n');
  attachments.vtep = '192.0.2.78';
  attachments.named('a1', 'box', []);
  expect(published.map(({ vtep }) => vtep)).toEqual(['192.0.2.77', '192.0.2.78']);
});
