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

interface Channel {
  readonly client: DispatcherClient;
  readonly identity: Identity;
  uses: number;
}

/**
 * Asks dispatchers over mutual TLS. All streams to one dispatcher go over one connection, which lives as
 * long as there are any; each has a window of its own, so that a paused one does not hold up the others.
 */
export class DispatcherLogs implements LogSource {
  readonly #channels = new Map<string, Channel>();

  subscribe(
    identity: Identity,
    address: string,
    subscription: LogSubscription,
    listener: LogListener,
  ): LogStream {
    const channel = this.#channel(identity, address);
    channel.uses += 1;
    const stream: ClientReadableStream<LogLines> = channel.client.subscribeLogs(subscription);
    let ended = false;
    const end = (failure: string): void => {
      if (ended) return;
      ended = true;
      this.#leave(address, channel);
      listener.end(failure);
    };
    stream.on('data', (lines: LogLines) => {
      if (!ended) listener.lines(lines);
    });
    stream.on('error', (error) => end(error.message));
    stream.on('end', () => end(''));
    return {
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      cancel: () => stream.cancel(),
    };
  }

  #channel(identity: Identity, address: string): Channel {
    const open = this.#channels.get(address);
    if (open !== undefined && open.identity === identity) return open;
    const options = channelOptions('manager');
    const client = new DispatcherClient(address, channelCredentials(identity), options);
    const channel: Channel = { client, identity, uses: 0 };
    this.#channels.set(address, channel);
    return channel;
  }

  #leave(address: string, channel: Channel): void {
    channel.uses -= 1;
    if (channel.uses > 0) return;
    if (this.#channels.get(address) === channel) this.#channels.delete(address);
    channel.client.close();
  }
}
