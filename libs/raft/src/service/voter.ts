/** Entry of the voter's worker thread: its log, its state machine and its gRPC server. */
import { setImmediate } from 'node:timers';
import { parentPort, workerData } from 'node:worker_threads';
import { Server } from '@grpc/grpc-js';
import { closeServer, type SecureListener } from '@shoal/pki';
import { errorMessage, invariant, systemClock } from '@shoal/runtime';
import { createLogger } from '@shoal/runtime/process';
import { admissionInterceptor } from './admission.ts';
import { AuthorityBridge, isAuthorityPath } from './authority-bridge.ts';
import { AuthorityPort } from './authority-port.ts';
import { listen } from './listener.ts';
import { openVoter, type RunningVoter } from './running-voter.ts';
import type { FromVoter, ToVoter, VoterOptions } from './worker-protocol.ts';

/** Longest wait for calls to end by themselves, milliseconds. */
const drainMsMax = 500;
/** A silent connection is asked for a sign of life so often, milliseconds. */
const keepaliveMs = 5_000;
/** A connection without a call is closed after this, milliseconds. */
const idleMsMax = 300_000;
/** Calls at once on one connection; a host's processes have a few each. */
const streamsMax = 512;

invariant(parentPort !== null, 'the voter runs on a worker thread');
const port = parentPort;
let listener: SecureListener | undefined;

function tell(message: FromVoter): void {
  port.postMessage(message);
}

async function run(options: VoterOptions): Promise<void> {
  const logger = createLogger({ process: 'voter', level: options.logLevel });
  const voter = await openVoter(options, logger);
  const authority = new AuthorityPort((call, content) =>
    tell({ kind: 'authority-call', call, content }),
  );
  const server = new Server({
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.max_connection_idle_ms': idleMsMax,
    'grpc.max_concurrent_streams': streamsMax,
    interceptors: [admissionInterceptor(voter.admit, isAuthorityPath)],
  });
  const bridge = new AuthorityBridge((call) => authority.ask(call), systemClock);
  for (const { definition, implementation } of [...voter.services, bridge])
    server.addService(definition, implementation);
  listener = await listen({
    grpc: server,
    log: (socket) => voter.connections.accept(socket),
    admit: voter.admit,
    credentials: voter.credentials,
    address: options.listen,
  });
  const { port: listening } = listener;
  logger.info({ listen: options.listen, port: listening }, 'voter_started');
  port.on('message', (message: ToVoter) => {
    switch (message.kind) {
      case 'status':
        void voter.status().then((status) => {
          tell({ kind: 'status', request: message.request, status });
        }, fail);
        break;
      case 'order':
        void voter.obey(message.order).then((outcome) => {
          tell({ kind: 'outcome', request: message.request, outcome });
        }, fail);
        break;
      case 'authority-answer':
        authority.answered(message.call, message.answer);
        break;
      case 'stop':
        void stop(server, voter).then(() => end(0), fail);
        break;
      case 'kill':
        end(1);
    }
  });
  voter.onNodesOut((out) => listener?.dismiss(out));
  voter.onRemoved(() => tell({ kind: 'removed' }));
  tell({ kind: 'started', port: listening });
}

async function stop(server: Server, voter: RunningVoter): Promise<void> {
  // First what was accepted is stored and answered, and another voter leads.
  await voter.stop();
  listener?.close();
  await closeServer(server, systemClock, drainMsMax);
}

function fail(error: unknown): void {
  tell({ kind: 'fatal', message: errorMessage(error) });
  end(1);
}

/**
 * Ends the thread. A thread that ends between two frames of one connection takes the whole process down
 * with it (node aborts in http2): first nothing more may arrive, and what has arrived must be over.
 */
function end(code: number): void {
  listener?.destroy();
  // Posted messages reach the parent before the news of the thread's end.
  setImmediate(() => process.exit(code));
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
run(workerData as VoterOptions).catch(fail);
