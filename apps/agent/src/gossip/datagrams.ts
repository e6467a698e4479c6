import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import {
  decodePacket,
  encodePacket,
  type KeyRotation,
  type Packet,
  packetBytesMax,
} from '@shoal/gossip';
import type { HostPort } from '@shoal/runtime';
import type { GossipMetrics } from './metrics.ts';

export interface DatagramsOptions {
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  readonly received: (packet: Packet, from: HostPort) => void;
}

/** Sealed packets over UDP. What cannot be opened or read is dropped without a word. */
export class Datagrams {
  readonly #options: DatagramsOptions;
  #socket: Socket | undefined;

  constructor(options: DatagramsOptions) {
    this.#options = options;
  }

  /** Where it listens then. @throws the system's error. */
  async open(listen: HostPort): Promise<HostPort> {
    const socket = createSocket(isIPv6(listen.host) ? 'udp6' : 'udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind(listen.port, listen.host, () => {
        socket.removeAllListeners('error');
        resolve();
      });
    });
    socket.on('error', () => this.#options.metrics.dropped('unsent'));
    socket.on('message', (bytes, { address, port }) => {
      this.#receive(bytes, { host: address, port });
    });
    this.#socket = socket;
    return { host: listen.host, port: socket.address().port };
  }

  send(to: HostPort, packet: Packet): void {
    const { keys, metrics } = this.#options;
    const sealed = this.#socket && keys.seal(encodePacket(packet));
    if (sealed === undefined) return;
    // From port 0 comes what somebody made or played again; nothing can be sent there, and the socket would throw.
    if (sealed.length > packetBytesMax || to.port === 0) {
      metrics.dropped('unsent');
      return;
    }
    metrics.sent('udp', sealed.length);
    this.#socket?.send(sealed, to.port, to.host, (error) => {
      if (error !== null) metrics.dropped('unsent');
    });
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #receive(bytes: Buffer, from: HostPort): void {
    const { keys, metrics, received } = this.#options;
    metrics.received('udp', bytes.length);
    const opened = bytes.length > packetBytesMax ? undefined : keys.open(bytes);
    const packet = opened && decodePacket(opened);
    if (packet !== undefined) received(packet, from);
    else metrics.dropped(opened === undefined ? 'foreign' : 'malformed');
  }
}
