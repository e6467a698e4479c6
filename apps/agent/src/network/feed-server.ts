import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { closeServer } from '@shoal/pki';
import {
  type AttachRequest,
  type AttachResponse,
  HostNetworksService,
  type HostNetworkUpdate,
  type Served,
} from '@shoal/proto';
import { errorMessage, systemClock } from '@shoal/runtime';
import { freeSocketPath } from '@shoal/runtime/process';
import { problem } from './attachments.ts';
import type { HostFeed } from './feed.ts';

/** Consumers and their tools at the same time. */
const streamsMax = 16;
/** Time for streams to end by themselves when the server closes, milliseconds. */
const closeMsMax = 200;
const ownerOnly = 0o600;

export type Attach = (network: string) => Promise<AttachResponse>;

/** The host's own end of its networks, on a socket that only its owner, root, can open. */
export class FeedServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws when the socket cannot be made: `SocketServedError` where another agent has it. */
  static async listen(path: string, feed: HostFeed, attach: Attach): Promise<FeedServer> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await freeSocketPath(path);
    const server = new Server({ 'grpc.max_concurrent_streams': streamsMax });
    server.addService(HostNetworksService, {
      follow: followHandler(feed),
      attach: attachHandler(attach),
    });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix://${path}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    await chmod(path, ownerOnly);
    return new FeedServer(server);
  }

  close(): Promise<void> {
    return closeServer(this.#server, systemClock, closeMsMax);
  }
}

function followHandler(feed: HostFeed): handleBidiStreamingCall<Served, HostNetworkUpdate> {
  return (call) => {
    const end = feed.follow({ send: (update) => call.write(update) });
    call.on('data', (served: Served) => end.received(served));
    call.on('drain', () => end.drained());
    call.on('end', () => call.end());
    for (const event of ['error', 'cancelled', 'close', 'end']) call.on(event, () => end.closed());
  };
}

function attachHandler(attach: Attach): handleUnaryCall<AttachRequest, AttachResponse> {
  return ({ request }, callback) => {
    attach(request.network).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(null, problem(errorMessage(error))),
    );
  };
}
