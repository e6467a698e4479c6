import { type Clock, type HostPort, parseHostPort, type Timer } from '@shoal/runtime';
import type { HostReachability } from './ports.ts';

/** Wait for the first sign of a host that gossip doubts, milliseconds. */
export const pulseMsMax = 1_000;
/** Pause before it is looked for again, milliseconds; twice as long each time one that is given up answers. */
const pulseEveryMs = 500;
/** The longest, and the pause after which it is seen whom gossip has forgotten, milliseconds. */
export const pulseEveryMsMax = 60_000;
/** One packet may get lost: so many misses in a row are silence. */
const missesMax = 2;
/** Hosts that are looked at in the same moment; the others have their turn after a pause. */
const pulsesAtOnceMax = 64;

type Standing = HostReachability['standing'];

/** Whether anything at the address answers in time, a refusal included. */
export type Pulse = (addr: HostPort, timeoutMs: number) => Promise<boolean>;

export interface SilentHostsOptions {
  /** Hosts as gossip sees them. */
  readonly hosts: () => readonly HostReachability[];
  readonly pulse: Pulse;
  /** Whether any record names the host. */
  readonly isNamed: (nodeId: string) => boolean;
  readonly clock: Clock;
  /** The host is silent from now on, or no longer. */
  readonly changed: (nodeId: string) => void;
}

/** A host that gossip doubts. */
interface Doubted {
  addr: string;
  isDead: boolean;
  misses: number;
  pauseMs: number;
  silent: boolean;
  timer: Timer | undefined;
}

/**
 * Which hosts answer nothing at all. Gossip alone cannot tell a host that is gone from one whose agent is
 * away for a moment, such as for an upgrade, while its containers serve on: its kernel can. It refuses
 * connections to a port that nobody listens on; from a dead machine or behind a cut nothing comes back.
 * Once silent, a host stays so until its agent is heard again: who comes back from a power cut
 * answers before anybody knows what still runs there. That gossip forgets it in time is no sign of life.
 */
export class SilentHosts {
  readonly #options: SilentHostsOptions;
  readonly #doubted = new Map<string, Doubted>();
  #looking = 0;
  /** Gossip does not say whom it forgets. */
  #again: Timer | undefined;
  #stopped = false;

  constructor(options: SilentHostsOptions) {
    this.#options = options;
  }

  has(nodeId: string): boolean {
    return this.#doubted.get(nodeId)?.silent === true;
  }

  /** Node ids, in no order. */
  get all(): readonly string[] {
    return [...this.#doubted].flatMap(([nodeId, { silent }]) => (silent ? nodeId : []));
  }

  /** Gossip has come to another view of some host. */
  look(): void {
    if (this.#stopped) return;
    const hosts = this.#options.hosts();
    const standings = new Map(hosts.map(({ nodeId, standing }) => [nodeId, standing]));
    for (const [nodeId, known] of [...this.#doubted])
      if (this.#isOver(nodeId, known, standings.get(nodeId))) this.#forget(nodeId, known);
    const doubted = hosts.filter(({ standing }) => standing !== 'alive');
    for (const { nodeId, addr, standing } of doubted) {
      const known = this.#doubted.get(nodeId);
      const isDead = standing === 'dead';
      if (known === undefined) {
        const none = { misses: 0, pauseMs: pulseEveryMs, silent: false, timer: undefined };
        const begun: Doubted = { addr, isDead, ...none };
        this.#doubted.set(nodeId, begun);
        void this.#check(nodeId, begun);
      } else {
        known.addr = addr;
        known.isDead = isDead;
        this.#judge(nodeId, known);
      }
    }
    this.#again?.cancel();
    this.#again =
      this.#doubted.size > 0
        ? this.#options.clock.after(pulseEveryMsMax, () => this.look())
        : undefined;
  }

  stop(): void {
    this.#stopped = true;
    this.#again?.cancel();
    for (const { timer } of this.#doubted.values()) timer?.cancel();
  }

  #isOver(nodeId: string, { silent }: Doubted, standing: Standing | undefined): boolean {
    if (standing !== undefined) return standing === 'alive';
    return !silent || !this.#options.isNamed(nodeId);
  }

  #forget(nodeId: string, { timer, silent }: Doubted): void {
    this.#doubted.delete(nodeId);
    timer?.cancel();
    if (silent) this.#options.changed(nodeId);
  }

  async #check(nodeId: string, doubted: Doubted): Promise<void> {
    const { pulse, clock } = this.#options;
    const isCurrent = (): boolean => !this.#stopped && this.#doubted.get(nodeId) === doubted;
    const addr = parseHostPort(doubted.addr);
    if (this.#looking < pulsesAtOnceMax && addr !== undefined) {
      this.#looking += 1;
      const answers = await pulse(addr, pulseMsMax);
      this.#looking -= 1;
      if (!isCurrent()) return;
      doubted.misses = answers ? 0 : doubted.misses + 1;
      doubted.pauseMs =
        answers && doubted.isDead ? Math.min(2 * doubted.pauseMs, pulseEveryMsMax) : pulseEveryMs;
      this.#judge(nodeId, doubted);
    }
    if (doubted.silent) return;
    doubted.timer = clock.after(doubted.pauseMs, () => void this.#check(nodeId, doubted));
  }

  #judge(nodeId: string, doubted: Doubted): void {
    if (doubted.silent || !doubted.isDead || doubted.misses < missesMax) return;
    doubted.silent = true;
    doubted.timer?.cancel();
    this.#options.changed(nodeId);
  }
}
