import { type Clock, type HostPort, parseHostPort, type Timer } from '@shoal/runtime';
import type { HostReachability } from './ports.ts';

/** Wait for the first sign of a host that gossip doubts, milliseconds. */
export const pulseMsMax = 1_000;
/** Pause before it is looked for again, milliseconds. */
const pulseEveryMs = 500;
/** One packet may get lost: so many misses in a row are silence. */
const missesMax = 2;
/** Hosts that are looked at in the same moment; the others have their turn after a pause. */
const pulsesAtOnceMax = 64;

/** Whether anything at the address answers in time, a refusal included. */
export type Pulse = (addr: HostPort, timeoutMs: number) => Promise<boolean>;

export interface SilentHostsOptions {
  /** Hosts as gossip sees them. */
  readonly hosts: () => readonly HostReachability[];
  readonly pulse: Pulse;
  readonly clock: Clock;
  /** The host is silent from now on, or no longer. */
  readonly changed: (nodeId: string) => void;
}

/** A host that gossip doubts. */
interface Doubted {
  addr: string;
  isDead: boolean;
  misses: number;
  silent: boolean;
  timer: Timer | undefined;
}

/**
 * Which hosts answer nothing at all. Gossip alone cannot tell a host that is gone from one whose agent is
 * away for a moment, such as for an upgrade, while its containers serve on: its kernel can. It refuses
 * connections to a port that nobody listens on; from a dead machine or behind a cut nothing comes back.
 * Once silent, a host stays so until its agent is heard again: who comes back from a power cut
 * answers before anybody knows what still runs there.
 */
export class SilentHosts {
  readonly #options: SilentHostsOptions;
  readonly #doubted = new Map<string, Doubted>();
  #looking = 0;
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
    const doubted = this.#options.hosts().filter(({ standing }) => standing !== 'alive');
    const ids = new Set(doubted.map(({ nodeId }) => nodeId));
    for (const nodeId of [...this.#doubted.keys()]) if (!ids.has(nodeId)) this.#heard(nodeId);
    for (const { nodeId, addr, standing } of doubted) {
      const known = this.#doubted.get(nodeId);
      const isDead = standing === 'dead';
      if (known === undefined) {
        const begun: Doubted = { addr, isDead, misses: 0, silent: false, timer: undefined };
        this.#doubted.set(nodeId, begun);
        void this.#check(nodeId, begun);
      } else {
        known.addr = addr;
        known.isDead = isDead;
        this.#judge(nodeId, known);
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#doubted.values()) timer?.cancel();
  }

  #heard(nodeId: string): void {
    const known = this.#doubted.get(nodeId);
    this.#doubted.delete(nodeId);
    known?.timer?.cancel();
    if (known?.silent === true) this.#options.changed(nodeId);
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
      this.#judge(nodeId, doubted);
    }
    if (doubted.silent) return;
    doubted.timer = clock.after(pulseEveryMs, () => void this.#check(nodeId, doubted));
  }

  #judge(nodeId: string, doubted: Doubted): void {
    if (doubted.silent || !doubted.isDead || doubted.misses < missesMax) return;
    doubted.silent = true;
    doubted.timer?.cancel();
    this.#options.changed(nodeId);
  }
}
