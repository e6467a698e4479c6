import { credentials } from '@grpc/grpc-js';
import { HostNetworksClient, type HostNetworkUpdate } from '@shoal/proto';
import type { Clock } from '@shoal/runtime';
import { decodeAll, type EndpointRecord } from '@shoal/state';
import { decodeHostNetworkChange } from './decode.ts';
import { updateBytesMax } from './follow.ts';

/** Longest wait for the agent, milliseconds. */
const answerMsMax = 1_000;

export interface AskNetworkOptions {
  /** See `hostNetworksSocket`. */
  readonly socket: string;
  readonly networkId: string;
  readonly clock: Clock;
}

/** Everybody in a network as this host's agent knows it now; nobody where it knows none or does not answer. */
export function askNetwork(options: AskNetworkOptions): Promise<readonly EndpointRecord[]> {
  const { socket, networkId, clock } = options;
  const client = new HostNetworksClient(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': updateBytesMax,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  });
  return new Promise((resolve) => {
    const call = client.follow();
    const end = (records: readonly EndpointRecord[]): void => {
      timer.cancel();
      call.cancel();
      client.close();
      resolve(records);
    };
    const timer = clock.after(answerMsMax, () => end([]));
    call.on('data', ({ changes }: HostNetworkUpdate) => end(recordsOf(changes, networkId)));
    call.on('error', () => end([]));
    call.on('end', () => end([]));
    call.write({ consumer: 'api', version: 0, networks: [] });
  });
}

function recordsOf(changes: readonly Buffer[], networkId: string): readonly EndpointRecord[] {
  const read = decodeAll(changes, decodeHostNetworkChange);
  if (read.kind === 'malformed') return [];
  return read.value.find(({ id }) => id === networkId)?.records ?? [];
}
