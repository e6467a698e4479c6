import { Gossip, KeyRotation, type Membership } from '@shoal/gossip';
import { type HostPort, type Instant, invariant } from '@shoal/runtime';
import { SimulatedClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import { type GossipFaults, GossipWire } from './wire.ts';

export type { GossipFaults } from './wire.ts';

/** What a host has in its networks, as its agent would know: network, then record, then value. */
type Wanted = Map<string, Map<string, string>>;

export interface SimulatedHost {
  readonly id: string;
  readonly addr: HostPort;
  readonly wanted: Wanted;
  readonly keys: KeyRotation | undefined;
  gossip: Gossip;
  up: boolean;
  lagMs: number;
}

interface Death {
  readonly id: string;
}

/** Between looks at whether all agree, milliseconds. */
const lookEveryMs = 50;
const goodbyeMs = 1_000;

export interface GossipSimulationOptions {
  /** Packets are really sealed; otherwise only their size is counted. */
  readonly sealed: boolean;
}

/** Many hosts that gossip, in one thread and a time of their own. */
export class GossipSimulation {
  readonly clock = new SimulatedClock(0 as Instant);
  readonly hosts = new Map<string, SimulatedHost>();
  readonly random: SeededRandom;
  readonly #wire: GossipWire;
  readonly #sealed: boolean;
  readonly #deaths: Death[] = [];

  constructor(seed: number, options: GossipSimulationOptions = { sealed: false }) {
    this.random = new SeededRandom(seed);
    this.#wire = new GossipWire(this.clock, this.random.fork());
    this.#sealed = options.sealed;
  }

  get faults(): GossipFaults {
    return this.#wire.faults;
  }

  set faults(faults: GossipFaults) {
    this.#wire.faults = faults;
  }

  get bytesSent(): number {
    return this.#wire.bytesSent;
  }

  /** Boots a host that knows the address of `seed` alone, at an address of its own if none is named. */
  add(id: string, seed?: string, addr = this.#freeAddress()): SimulatedHost {
    const keys = this.#sealed ? new KeyRotation(this.random.fork(), this.clock) : undefined;
    keys?.replace([keyOf(1)]);
    const wanted: Wanted = new Map();
    const gossip = this.#gossip(id, addr, 0);
    const host: SimulatedHost = { id, addr, wanted, keys, gossip, up: true, lagMs: 0 };
    this.hosts.set(id, host);
    const { lagMs: _lagMs, up: _up, ...fixed } = host;
    this.#wire.connect(id, {
      ...fixed,
      get up() {
        return host.up;
      },
      get lagMs() {
        return host.lagMs;
      },
      receive: (packet, from) => host.gossip.receive(packet, from),
      answer: (question) => host.gossip.answer(question),
    });
    this.#meet(host, seed === undefined ? [] : [seed]);
    return host;
  }

  /**
   * It comes back with nothing of what it knew, in no network; `firstTime` is where its Lamport clock begins.
   */
  restart(id: string, seeds: readonly string[], firstTime = 0): void {
    const host = this.host(id);
    host.gossip.stop();
    host.gossip = this.#gossip(id, host.addr, firstTime);
    host.up = true;
    this.#meet(host, seeds);
  }

  #freeAddress(): HostPort {
    const number = this.hosts.size;
    return { host: `10.0.${number >> 8}.${number & 255}`, port: 7946 };
  }

  #meet(host: SimulatedHost, seeds: readonly string[]): void {
    void host.gossip.seeds(seeds.map((seed) => this.host(seed).addr));
  }

  #gossip(id: string, addr: HostPort, firstTime: number): Gossip {
    return new Gossip({
      id,
      addr,
      transport: this.#wire.transport(id),
      clock: this.clock,
      random: this.random.fork(),
      firstTime,
      changed: () => undefined,
      applied: () => Promise.resolve(),
      memberChanged: ({ id: about, standing }) => {
        if (standing === 'dead') this.#deaths.push({ id: about });
      },
    });
  }

  /** It says goodbye, and stops soon after. */
  leave(id: string): void {
    this.host(id).gossip.depart();
    this.clock.after(goodbyeMs, () => this.kill(id));
  }

  slow(id: string, lagMs: number): void {
    this.host(id).lagMs = lagMs;
  }

  /** How often a host gave another up. */
  get deaths(): number {
    return this.#deaths.length;
  }

  /** How often a host gave up another one than `id`. */
  deathsBeside(id: string): number {
    return this.#deaths.filter((death) => death.id !== id).length;
  }

  /** The power fails. */
  kill(id: string): void {
    const host = this.host(id);
    host.up = false;
    host.gossip.stop();
  }

  split(sides: readonly (readonly string[])[]): void {
    this.#wire.split(sides);
  }

  heal(): void {
    this.#wire.split([]);
  }

  join(id: string, network: string): void {
    const { gossip, wanted } = this.host(id);
    if (!wanted.has(network)) wanted.set(network, new Map());
    gossip.join(network);
  }

  leaveNetwork(id: string, network: string): void {
    const { gossip, wanted } = this.host(id);
    wanted.delete(network);
    gossip.leave(network);
  }

  /** Publishes, or withdraws, on a host that is in the network. */
  put(id: string, network: string, record: string, value: string | undefined): void {
    const { gossip, wanted } = this.host(id);
    const records = wanted.get(network);
    if (records === undefined) return;
    if (value === undefined) records.delete(record);
    else records.set(record, value);
    gossip.put(network, record, value === undefined ? undefined : Buffer.from(value));
  }

  /** Says everything that the host has again, as its agent does after a restart. */
  republish(id: string): void {
    const { gossip, wanted } = this.host(id);
    for (const [network, records] of wanted) {
      gossip.join(network);
      for (const [record, value] of records) gossip.put(network, record, Buffer.from(value));
    }
  }

  /** What every host in the network is to show: the records of those that are up. */
  expected(network: string): readonly string[] {
    return [...this.hosts.values()]
      .flatMap(({ id, up, wanted }) =>
        up ? [...(wanted.get(network) ?? [])].map(([at, value]) => `${id} ${at} ${value}`) : [],
      )
      .sort();
  }

  shown(id: string, network: string): readonly string[] {
    return this.host(id)
      .gossip.tables.shown(network)
      .map(({ owner, id: at, value }) => `${owner} ${at} ${Buffer.from(value).toString()}`)
      .sort();
  }

  /** Whether the host shows the record of that owner with that value. */
  shows(id: string, network: string, owner: string, record: string, value: string): boolean {
    const entry = this.host(id).gossip.tables.value(network, owner, record);
    return entry !== undefined && Buffer.from(entry).toString() === value;
  }

  /** Where a host shows something else than it should: one sentence each. */
  differences(): readonly string[] {
    const expected = new Map<string, string>();
    return [...this.hosts.values()].flatMap(({ id, up, wanted }) =>
      [...(up ? wanted.keys() : [])].flatMap((network) => {
        const right = expected.get(network) ?? this.expected(network).join(', ');
        expected.set(network, right);
        const shown = this.shown(id, network).join(', ');
        return shown === right ? [] : [`${id} shows in ${network}: ${shown}; right: ${right}`];
      }),
    );
  }

  /** How many of the hosts that are up see exactly those that are up. */
  agreeing(): number {
    const up = [...this.hosts.values()].filter((host) => host.up);
    return up.filter(({ gossip }) => this.#seesAll(gossip.membership, up.length)).length;
  }

  #seesAll({ present }: Membership, up: number): boolean {
    return present.length === up && present.every(({ id }) => this.host(id).up);
  }

  get up(): number {
    return [...this.hosts.values()].filter((host) => host.up).length;
  }

  /** Milliseconds until all hosts agree who is up; undefined when they do not within `msMax`. */
  untilAgreed(msMax: number): Promise<number | undefined> {
    return this.until(msMax, () => this.agreeing() === this.up);
  }

  /** Milliseconds until every host shows what it should; undefined when not within `msMax`. */
  untilRight(msMax: number): Promise<number | undefined> {
    return this.until(msMax, () => this.differences().length === 0);
  }

  async until(msMax: number, holds: () => boolean): Promise<number | undefined> {
    const begin = this.clock.monotonic();
    while (this.clock.monotonic() - begin < msMax) {
      if (holds()) return this.clock.monotonic() - begin;
      await this.clock.run(lookEveryMs);
    }
    return holds() ? msMax : undefined;
  }

  host(id: string): SimulatedHost {
    const host = this.hosts.get(id);
    invariant(host !== undefined, 'the host was added', { id });
    return host;
  }
}

/** The cluster's key of that number. */
export function keyOf(number: number): { readonly number: number; readonly key: Uint8Array } {
  return { number, key: new Uint8Array(32).fill(number) };
}
