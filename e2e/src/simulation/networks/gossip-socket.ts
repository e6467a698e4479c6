import type { GossipEnd, GossipNetwork } from '@shoal/agent';
import type { Answer, GossipTransport, KeyRotation, Packet, Question } from '@shoal/gossip';
import type { HostPort } from '@shoal/runtime';
import type { WiredHost } from '@shoal/sim';

/** A host's place on the wire of gossip, into which each life of its agent plugs itself. */
export class GossipSocket implements WiredHost {
  readonly addr: HostPort;
  lagMs = 0;
  #end: GossipEnd | undefined;

  constructor(addr: HostPort) {
    this.addr = addr;
  }

  get up(): boolean {
    return this.#end !== undefined;
  }

  get keys(): KeyRotation | undefined {
    return this.#end?.keys;
  }

  plug(end: GossipEnd, transport: GossipTransport, alive: () => boolean): GossipNetwork {
    return {
      send: (to, packet) => {
        if (alive()) transport.send(to, packet);
      },
      // Who is dead hears no answers.
      ask: (to, question) =>
        new Promise((resolve) => {
          if (!alive()) return;
          void transport.ask(to, question).then((answer) => {
            if (alive()) resolve(answer);
          });
        }),
      open: async () => {
        if (alive()) this.#end = end;
      },
      close: async () => this.cut(),
    };
  }

  cut(): void {
    this.#end = undefined;
  }

  receive(packet: Packet, from: HostPort): void {
    this.#end?.received(packet, from);
  }

  answer(question: Question): Promise<Answer | undefined> {
    return this.#end?.answer(question) ?? Promise.resolve(undefined);
  }
}
