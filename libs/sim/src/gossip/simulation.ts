import {
  encodePacket,
  type GossipTransport,
  type Member,
  Membership,
  type Packet,
  rumourBytes,
} from '@shoal/gossip';
import { formatHostPort, type HostPort, type Instant } from '@shoal/runtime';
import { SimulatedClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';

/** How packets fare on their way. */
export interface GossipFaults {
  readonly delayMsMax: number;
  readonly loss: number;
  readonly duplication: number;
}

interface Host {
  membership: Membership;
  readonly addr: HostPort;
  up: boolean;
  /** Added to every packet of its own and to it, milliseconds. */
  lagMs: number;
}

interface Death {
  readonly id: string;
}

const quiet: GossipFaults = { delayMsMax: 5, loss: 0, duplication: 0 };
const goodbyeMs = 1_000;

/** Many hosts that gossip, in one thread and a time of their own. */
export class GossipSimulation {
  readonly clock = new SimulatedClock(0 as Instant);
  readonly hosts = new Map<string, Host>();
  readonly #addresses = new Map<string, string>();
  readonly #random: SeededRandom;
  /** Side of the split each host is on; those that are not named are on side 0. */
  #sides = new Map<string, number>();
  readonly #deaths: Death[] = [];
  faults = quiet;
  bytesSent = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Boots a host that knows the address of `seed` alone. */
  async add(id: string, seed?: string): Promise<void> {
    const number = this.hosts.size;
    const addr: HostPort = { host: `10.0.${number >> 8}.${number & 255}`, port: 7946 };
    this.hosts.set(id, { membership: this.#membership(id, addr), addr, up: true, lagMs: 0 });
    this.#addresses.set(formatHostPort(addr), id);
    await this.#join(id, seed);
  }

  /** It comes back with nothing of what it knew. */
  async restart(id: string, seed: string): Promise<void> {
    const host = this.#host(id);
    host.membership = this.#membership(id, host.addr);
    host.up = true;
    await this.#join(id, seed);
  }

  async #join(id: string, seed: string | undefined): Promise<void> {
    if (seed !== undefined) await this.#host(id).membership.join([this.#host(seed).addr]);
  }

  #membership(id: string, addr: HostPort): Membership {
    return new Membership({
      id,
      addr,
      transport: this.#transport(id),
      clock: this.clock,
      random: this.#random.fork(),
      changed: ({ id: about, standing }) => {
        if (standing === 'dead') this.#deaths.push({ id: about });
      },
    });
  }

  /** It says goodbye, and stops soon after. */
  leave(id: string): void {
    const { membership } = this.#host(id);
    membership.leave();
    this.clock.after(goodbyeMs, () => this.kill(id));
  }

  slow(id: string, lagMs: number): void {
    this.#host(id).lagMs = lagMs;
  }

  /** How often a host gave another up. */
  get deaths(): number {
    return this.#deaths.length;
  }

  /** The same, without those of whom it was `id`. */
  deathsBeside(id: string): number {
    return this.#deaths.filter((death) => death.id !== id).length;
  }

  /** The power fails. */
  kill(id: string): void {
    const host = this.#host(id);
    host.up = false;
    host.membership.stop();
  }

  /** Hosts of different sides do not hear each other. */
  split(sides: readonly (readonly string[])[]): void {
    this.#sides = new Map(sides.flatMap((side, at) => side.map((id) => [id, at])));
  }

  heal(): void {
    this.#sides.clear();
  }

  /** How many of the hosts that are up see exactly those that are up. */
  agreeing(): number {
    const up = [...this.hosts].filter(([, host]) => host.up);
    let agreeing = 0;
    for (const [, { membership }] of up) {
      const present = membership.present;
      if (present.length === up.length && present.every(({ id }) => this.#host(id).up))
        agreeing += 1;
    }
    return agreeing;
  }

  get up(): number {
    return [...this.hosts.values()].filter((host) => host.up).length;
  }

  /** Milliseconds until all agree; undefined when they do not within `msMax`. */
  async untilAgreed(msMax: number): Promise<number | undefined> {
    const begin = this.clock.monotonic();
    const stepMs = 100;
    while (this.clock.monotonic() - begin < msMax) {
      if (this.agreeing() === this.up) return this.clock.monotonic() - begin;
      await this.clock.run(stepMs);
    }
    return this.agreeing() === this.up ? msMax : undefined;
  }

  #host(id: string): Host {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`no host ${id}`);
    return host;
  }

  #at(addr: HostPort): [string, Host] | undefined {
    const id = this.#addresses.get(formatHostPort(addr));
    return id === undefined ? undefined : [id, this.#host(id)];
  }

  #reaches(from: string, to: string): boolean {
    const side = (id: string): number => this.#sides.get(id) ?? 0;
    return this.#host(from).up && this.#host(to).up && side(from) === side(to);
  }

  #transport(id: string): GossipTransport {
    return {
      send: (to, packet) => this.#send(id, to, packet),
      sync: (to, list) => this.#sync(id, to, list),
      reach: (to) => this.#reach(id, to),
      bytesOf: rumourBytes,
    };
  }

  #send(from: string, to: HostPort, packet: Packet): void {
    const sender = this.#host(from);
    this.bytesSent += encodePacket(packet).length;
    const found = this.#at(to);
    if (found === undefined) return;
    const [id, receiver] = found;
    const { delayMsMax, loss, duplication } = this.faults;
    const copies = this.#random.chance(loss) ? 0 : this.#random.chance(duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1)
      this.clock.after(this.#random.next() * delayMsMax + sender.lagMs + receiver.lagMs, () => {
        if (this.#reaches(from, id)) receiver.membership.receive(packet, sender.addr);
      });
  }

  #reach(from: string, to: HostPort): Promise<boolean> {
    const found = this.#at(to);
    return new Promise((resolve) =>
      this.clock.after(2 * this.faults.delayMsMax, () =>
        resolve(found !== undefined && this.#reaches(from, found[0])),
      ),
    );
  }

  #sync(
    from: string,
    to: HostPort,
    list: readonly Member[],
  ): Promise<readonly Member[] | undefined> {
    const found = this.#at(to);
    if (found === undefined || !this.#reaches(from, found[0])) return Promise.resolve(undefined);
    return Promise.resolve(found[1].membership.answerSync(list));
  }
}
