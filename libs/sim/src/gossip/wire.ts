import {
  type Answer,
  decodeFrame,
  decodePacket,
  encodeFrame,
  encodePacket,
  type Frame,
  type GossipTransport,
  type KeyRotation,
  type Packet,
  type Question,
  sealBytes,
} from '@shoal/gossip';
import { formatHostPort, type HostPort, invariant } from '@shoal/runtime';
import type { SimulatedClock } from '../clock.ts';
import type { SeededRandom } from '../random.ts';

/** How packets fare on their way. */
export interface GossipFaults {
  readonly delayMsMax: number;
  readonly loss: number;
  readonly duplication: number;
}

/** What the wire knows of a host. */
export interface WiredHost {
  readonly addr: HostPort;
  readonly up: boolean;
  /** Added to every packet of its own and to it, milliseconds. */
  readonly lagMs: number;
  readonly keys: KeyRotation | undefined;
  receive(packet: Packet, from: HostPort): void;
  answer(question: Question): Promise<Answer | undefined>;
}

/** An unanswered question is given up after this, milliseconds. */
const askMs = 1_000;
/** A segment of a connection that was lost comes so much later, milliseconds. */
const resendMs = 200;
/** Length before each message of a connection. */
const frameHeadBytes = 4;

/** Carries packets and questions between hosts: late, twice or never, as the faults say. */
export class GossipWire {
  readonly #clock: SimulatedClock;
  readonly #random: SeededRandom;
  readonly #hosts = new Map<string, WiredHost>();
  readonly #ids = new Map<string, string>();
  /** Side of the split each host is on; those that are not named are on side 0. */
  #sides = new Map<string, number>();
  faults: GossipFaults = { delayMsMax: 5, loss: 0, duplication: 0 };
  bytesSent = 0;

  constructor(clock: SimulatedClock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  connect(id: string, host: WiredHost): void {
    this.#hosts.set(id, host);
    this.#ids.set(formatHostPort(host.addr), id);
  }

  /** Hosts of different sides do not hear each other. */
  split(sides: readonly (readonly string[])[]): void {
    this.#sides = new Map(sides.flatMap((side, at) => side.map((id) => [id, at])));
  }

  /** For the process of a host as it is now: what it has sent arrives also when it is no more. */
  transport(id: string): GossipTransport {
    return {
      send: (to, packet) => this.#send(id, to, packet),
      ask: (to, question) => this.#ask(id, to, question),
    };
  }

  #host(id: string): WiredHost {
    const host = this.#hosts.get(id);
    invariant(host !== undefined, 'the host is connected', { id });
    return host;
  }

  #reaches(from: string, to: string): boolean {
    const side = (id: string): number => this.#sides.get(id) ?? 0;
    return this.#host(from).up && this.#host(to).up && side(from) === side(to);
  }

  #delayMs(from: WiredHost, to: WiredHost): number {
    return this.#random.next() * this.faults.delayMsMax + from.lagMs + to.lagMs;
  }

  /** What arrives of it; undefined when the other has not the key. */
  #carry<T>(
    bytes: Uint8Array,
    from: WiredHost,
    to: WiredHost,
    decode: (bytes: Uint8Array) => T | undefined,
  ): T | undefined {
    this.bytesSent += bytes.length + sealBytes;
    if (from.keys === undefined || to.keys === undefined) return decode(bytes);
    const sealed = from.keys.seal(bytes);
    const opened = sealed && to.keys.open(sealed);
    return opened && decode(opened);
  }

  #send(from: string, to: HostPort, packet: Packet): void {
    const id = this.#ids.get(formatHostPort(to));
    if (id === undefined || !this.#host(from).up) return;
    const sender = this.#host(from);
    const receiver = this.#host(id);
    const arrived = this.#carry(encodePacket(packet), sender, receiver, decodePacket);
    const { loss, duplication } = this.faults;
    const copies = this.#random.chance(loss) ? 0 : this.#random.chance(duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1)
      this.#clock.after(this.#delayMs(sender, receiver), () => {
        if (arrived !== undefined && this.#reaches(from, id))
          this.#host(id).receive(arrived, sender.addr);
      });
  }

  #ask(from: string, to: HostPort, question: Question): Promise<Answer | undefined> {
    const id = this.#ids.get(formatHostPort(to));
    if (id === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const timer = this.#clock.after(askMs, () => resolve(undefined));
      this.#deliver(from, id, { kind: 'question', sequence: 0, question }, (arrived) => {
        if (arrived.kind !== 'question') return;
        void this.#host(id)
          .answer(arrived.question)
          .then((answer) => {
            if (answer === undefined) return;
            this.#deliver(id, from, { kind: 'answer', sequence: 0, answer }, (back) => {
              timer.cancel();
              resolve(back.kind === 'answer' ? back.answer : undefined);
            });
          });
      });
    });
  }

  #deliver(from: string, to: string, frame: Frame, arrive: (frame: Frame) => void): void {
    const sender = this.#host(from);
    const receiver = this.#host(to);
    this.bytesSent += frameHeadBytes;
    const arrived = this.#carry(encodeFrame(frame), sender, receiver, decodeFrame);
    if (arrived === undefined) return;
    const againMs = this.#random.chance(this.faults.loss) ? resendMs : 0;
    this.#clock.after(this.#delayMs(sender, receiver) + againMs, () => {
      if (this.#reaches(from, to)) arrive(arrived);
    });
  }
}
