import type { ClientReadableStream } from '@grpc/grpc-js';
import { channelCredentials, channelOptions, type Identity } from '@shoal/pki';
import { DispatcherClient, type LogLines, type LogSubscription } from '@shoal/proto';

/** Lines as they come from one dispatcher. */
export interface LogStream {
  pause(): void;
  resume(): void;
  cancel(): void;
}

export interface LogListener {
  lines(lines: LogLines): void;
  /** Called once; empty when the dispatcher had no more. */
  end(failure: string): void;
}

/** Where log lines come from. */
export interface LogSource {
  subscribe(
    identity: Identity,
    address: string,
    subscription: LogSubscription,
    listener: LogListener,
  ): LogStream;
}

/** Asks dispatchers over mutual TLS; a connection lives as long as its subscription. */
export const dispatcherLogs: LogSource = {
  subscribe(identity, address, subscription, listener) {
    const client = new DispatcherClient(
      address,
      channelCredentials(identity),
      channelOptions('manager'),
    );
    const stream: ClientReadableStream<LogLines> = client.subscribeLogs(subscription);
    let ended = false;
    const end = (failure: string): void => {
      if (ended) return;
      ended = true;
      client.close();
      listener.end(failure);
    };
    stream.on('data', (lines: LogLines) => listener.lines(lines));
    stream.on('error', (error) => end(error.message));
    stream.on('end', () => end(''));
    return {
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      cancel: () => stream.cancel(),
    };
  },
};
