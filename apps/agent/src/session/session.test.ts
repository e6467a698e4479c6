import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  type AgentMessage,
  DispatcherClient,
  type DispatcherMessage,
  DispatcherService,
} from '@shoal/proto';
import { silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sampleAssignment, sampleNode } from '../testing/sample-task.ts';
import { Reporter } from './reporter.ts';
import { Session, type SessionEvents } from './session.ts';

type Call = ServerDuplexStream<AgentMessage, DispatcherMessage>;
type Body = NonNullable<DispatcherMessage['body']>;

const patience = { timeout: 10_000, interval: 5 };

let folder: string;
let server: Server;
let call: Call | undefined;
let session: Session;
let events: SessionEvents;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-session-'));
  const address = `unix://${join(folder, 'dispatcher.sock')}`;
  server = new Server();
  server.addService(DispatcherService, {
    session: (opened: Call) => {
      call = opened;
      opened.on('error', () => undefined);
      opened.on('data', () => undefined);
    },
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  events = {
    registered: vi.fn(),
    swarm: vi.fn(),
    assigned: vi.fn(),
    networks: vi.fn(),
    networkRecords: vi.fn(),
    pathsWanted: vi.fn(),
    logsWanted: vi.fn(),
    logsCancelled: vi.fn(),
    ended: vi.fn(),
  };
  call = undefined;
  session = new Session({
    client: new DispatcherClient(address, credentials.createInsecure()),
    previousSession: '',
    description: sampleNode,
    version: '0',
    reporter: new Reporter(),
    clock: systemClock,
    logger: silentLogger,
    events,
  });
  await vi.waitFor(() => expect(call).toBeDefined(), patience);
});
afterEach(async () => {
  session.end('the test is over');
  server.forceShutdown();
  await rm(folder, { recursive: true, force: true });
});

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function assigned(...tasks: readonly unknown[]): Body {
  const assignments = tasks.map((task) => ({ taskId: 't', task: bytes(task) }));
  const value = { complete: true, appliesTo: 0, resultsIn: 1, assignments, removed: [] };
  return { $case: 'assignments', value };
}

function swarm(node: unknown): Body {
  const value = { node: bytes(node), managers: [], trustRoots: '', issuer: '', gossipKeys: [] };
  return { $case: 'swarm', value };
}

const network = { id: 'n', name: 'demo', subnets: [] };

test.each<readonly [Body, string]>([
  [assigned(sampleAssignment(), { taskId: 'u' }), 'the assignment.serviceId: '],
  [swarm({ id: 'n', role: 'worker' }), 'the node.status: '],
  [{ $case: 'networks', value: { networks: [bytes(network)] } }, 'the network.internal: '],
  [
    { $case: 'networkRecords', value: { networkId: 'n', records: [bytes({ networkId: 'n' })] } },
    'the record.endpointId: ',
  ],
  [{ $case: 'networks', value: { networks: [Buffer.from('{')] } }, 'the network is no JSON: '],
])('what cannot be read ends the session with a sentence: %o', async (body, sentence) => {
  call?.write({ body });
  await vi.waitFor(() => expect(events.ended).toHaveBeenCalledTimes(1), patience);
  const reason = expect.stringContaining(`a message of the dispatcher cannot be read: ${sentence}`);
  expect(events.ended).toHaveBeenCalledWith(reason, true);
  for (const taken of [events.assigned, events.swarm, events.networks, events.networkRecords])
    expect(taken).not.toHaveBeenCalled();
});

test('what a newer dispatcher says besides is taken with the rest', async () => {
  const node = { id: 'n', role: 'worker', status: { addr: '192.0.2.1', zone: 'z' } };
  const assignment = { ...sampleAssignment(), desired: 'paused', nice: 5 };
  for (const body of [assigned(assignment), swarm(node)]) call?.write({ body });
  await vi.waitFor(() => expect(events.swarm).toHaveBeenCalled(), patience);
  expect(events.assigned).toHaveBeenCalledWith(true, [assignment], []);
  expect(events.swarm).toHaveBeenCalledWith(expect.anything(), node);
  expect(events.ended).not.toHaveBeenCalled();
});
