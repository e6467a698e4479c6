import type { Answer, GossipTransport, KeyRotation, Member, Packet, Question } from '@shoal/gossip';
import type { Clock, HostPort } from '@shoal/runtime';
import { Connections } from './connections.ts';
import { Datagrams } from './datagrams.ts';
import { Listener, type SecureConnections } from './listener.ts';
import type { GossipMetrics } from './metrics.ts';

/** What a host's gossip does with what comes in. */
export interface GossipEnd {
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  readonly clock: Clock;
  received(packet: Packet, from: HostPort): void;
  /** Who it is that asks. */
  greeted(member: Member): void;
  answer(question: Question): Promise<Answer | undefined>;
  /** This host as it introduces itself. */
  self(): Member;
}

/** The way to other hosts. */
export interface GossipNetwork extends GossipTransport {
  /** In place of where it listened before. Nothing is open when it fails. @throws the system's error. */
  open(listen: HostPort): Promise<void>;
  close(): Promise<void>;
}

/** UDP and TCP on one port. */
export class GossipSockets implements GossipNetwork {
  readonly #datagrams: Datagrams;
  readonly #listener: Listener;
  readonly #connections: Connections;

  constructor(end: GossipEnd, secure?: SecureConnections) {
    const { keys, metrics, clock } = end;
    const parts = { keys, metrics, clock };
    this.#datagrams = new Datagrams({
      ...parts,
      received: (packet, from) => end.received(packet, from),
    });
    this.#connections = new Connections({ ...parts, self: () => end.self() });
    this.#listener = new Listener({
      ...parts,
      greeted: (member) => end.greeted(member),
      answer: (question) => end.answer(question),
      secure,
    });
  }

  send(to: HostPort, packet: Packet): void {
    this.#datagrams.send(to, packet);
  }

  ask(to: HostPort, question: Question): Promise<Answer | undefined> {
    return this.#connections.ask(to, question);
  }

  async open(listen: HostPort): Promise<void> {
    await this.#datagrams.close();
    void this.#listener.close();
    try {
      await this.#datagrams.open(listen);
      await this.#listener.open(listen);
    } catch (error) {
      await this.#datagrams.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#connections.close();
    await Promise.all([this.#datagrams.close(), this.#listener.close()]);
  }
}
