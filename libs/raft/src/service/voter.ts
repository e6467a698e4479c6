/** Entry of the voter's worker thread: its log, its state machine and its gRPC server. */
import { parentPort, workerData } from 'node:worker_threads';
import { Server } from '@grpc/grpc-js';
import { requireRole, serverCredentials } from '@shoal/pki';
import type { StatusResponse } from '@shoal/proto';
import { errorMessage, invariant, systemClock, systemRandom } from '@shoal/runtime';
import { createLogger } from '@shoal/runtime/process';
import { fileSystem } from '../disk/file-system.ts';
import { RaftNode, type RaftStatus } from '../node/raft-node.ts';
import type { VoterId } from '../types.ts';
import { openLogStorage } from '../wal/log-storage.ts';
import { VoterMachine } from './voter-machine.ts';
import { type Admission, type AnyCall, VoterService } from './voter-service.ts';
import type { FromVoter, ToVoter, VoterOptions } from './worker-protocol.ts';

/** Longest wait for calls to end by themselves, milliseconds. */
const drainMsMax = 500;
/** A silent connection is asked for a sign of life so often, milliseconds. */
const keepaliveMs = 5_000;

invariant(parentPort !== null, 'the voter runs on a worker thread');
const port = parentPort;

function tell(message: FromVoter): void {
  port.postMessage(message);
}

async function run(options: VoterOptions): Promise<void> {
  const logger = createLogger({ process: 'voter', level: options.logLevel });
  const clock = systemClock;
  const random = systemRandom;
  const directory = options.dataDir;
  const storage = await openLogStorage({ directory, disk: fileSystem, random, logger });
  const machine = new VoterMachine();
  const id = options.voterId as VoterId;
  const node = await RaftNode.open({
    id,
    voters: [id],
    storage,
    machine,
    clock,
    random,
    logger,
    options: options.raft ?? {},
  });
  const service = new VoterService({
    log: node,
    machine,
    admit: (call) => admit(call, options.tls.clusterId),
    status: () => wireStatus(node.status),
    clock,
    random,
    logger,
  });
  node.onCommitted(() => service.committed());
  node.onLeadership((leading) => {
    if (leading) service.leadershipGained();
  });
  const server = new Server({
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
  });
  server.addService(service.definition, service.implementation);
  const listening = await bind(server, options);
  logger.info({ listen: options.listen, port: listening }, 'voter_started');
  port.on('message', (message: ToVoter) => {
    if (message.kind === 'status')
      return tell({ kind: 'status', request: message.request, status: service.status() });
    void stop(server, service, node).then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  });
  tell({ kind: 'started', port: listening });
}

function admit(call: AnyCall, clusterId: string): Admission {
  const authorised = requireRole(call, clusterId, 'manager');
  return authorised.kind === 'peer'
    ? { kind: 'admitted', nodeId: authorised.peer.nodeId }
    : { kind: 'refused', error: authorised.error };
}

function wireStatus(status: RaftStatus): Omit<StatusResponse, 'followers'> {
  const { id, leader, term, committed, applied, first, last, snapshot, storageError } = status;
  return {
    voterId: id,
    leaderId: leader,
    term,
    committed,
    applied,
    firstIndex: first,
    lastIndex: last,
    snapshotIndex: snapshot,
    storageError: storageError?.message ?? '',
  };
}

function bind(server: Server, { listen, tls }: VoterOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, serverCredentials(tls), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
}

async function stop(server: Server, service: VoterService, node: RaftNode): Promise<void> {
  // First what was accepted is stored and answered.
  await node.stop();
  service.stop();
  await new Promise<void>((resolve) => {
    const forced = systemClock.after(drainMsMax, () => {
      server.forceShutdown();
      resolve();
    });
    server.tryShutdown(() => {
      forced.cancel();
      resolve();
    });
  });
}

function fail(error: unknown): void {
  tell({ kind: 'fatal', message: errorMessage(error) });
  // Posted messages reach the parent before the news of the thread's end.
  process.exit(1);
}

run(workerData as VoterOptions).catch(fail);
