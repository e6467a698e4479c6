import type { Clock, HostPort, Random, Timer } from '@shoal/runtime';
import type { Awareness } from './awareness.ts';
import { helpersMax, probeAnswerMs, probeEveryMs, probesMax } from './limits.ts';
import { isGone, type Member } from './member.ts';
import type { Members } from './members.ts';
import type { Probe } from './transport.ts';

/** Share of a helper's own wait after which it says that it has no answer. */
const nackShare = 0.8;

export interface ProberOptions {
  readonly members: Members;
  readonly awareness: Awareness;
  readonly clock: Clock;
  readonly random: Random;
  readonly reach: (member: Member) => Promise<boolean>;
  readonly send: (to: HostPort, probe: Probe, about?: Member) => void;
  /** It answered neither this host nor its helpers. */
  readonly failed: (member: Member) => void;
}

interface Waiting {
  readonly acknowledged: () => void;
  readonly doubted: () => void;
  readonly timers: readonly Timer[];
}

/**
 * Probes one member after the other (SWIM, 4.1 and 4.3): all once, in an order of chance, before any twice,
 * so that the time until a death is noticed is bounded.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #waiting = new Map<number, Waiting>();
  #round: string[] = [];
  #sequence = 0;
  #timer: Timer | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, awareness } = this.#options;
    this.#timer = clock.after(awareness.stretch(probeEveryMs), () => {
      this.start();
      this.#probeNext();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    for (const { timers } of this.#waiting.values()) for (const timer of timers) timer.cancel();
    this.#waiting.clear();
  }

  acknowledged(sequence: number): void {
    this.#end(sequence)?.acknowledged();
  }

  doubted(sequence: number): void {
    this.#waiting.get(sequence)?.doubted();
  }

  /** Pings for another host, and says what comes of it. */
  help(target: Member, answer: (probe: 'ack' | 'nack') => void): void {
    const { clock } = this.#options;
    const sequence = this.#begin({
      acknowledged: () => answer('ack'),
      doubted: () => undefined,
      timers: [
        clock.after(probeAnswerMs * nackShare, () => answer('nack')),
        // A late answer is worth passing on for as long as the asker waits.
        clock.after(probeEveryMs, () => this.#end(sequence ?? 0)),
      ],
    });
    if (sequence === undefined) return;
    this.#options.send(target.addr, { kind: 'ping', sequence, target: target.id });
  }

  #probeNext(): void {
    const member = this.#next();
    if (member !== undefined) this.#probe(member);
  }

  #next(): Member | undefined {
    const { members } = this.#options;
    for (let looked = 0; looked < 2; looked += 1) {
      for (let id = this.#round.pop(); id !== undefined; id = this.#round.pop()) {
        const member = members.get(id);
        if (member !== undefined && !isGone(member)) return member;
      }
      this.#round = this.#shuffled();
    }
    return undefined;
  }

  #shuffled(): string[] {
    const { members, random, clock } = this.#options;
    const present = members.pick(Number.POSITIVE_INFINITY, random, clock.monotonic(), (member) => {
      return !isGone(member);
    });
    return present.map(({ id }) => id);
  }

  #probe(member: Member): void {
    const { clock, awareness, send, failed } = this.#options;
    let asked = 0;
    let doubts = 0;
    const sequence = this.#begin({
      acknowledged: () => awareness.note(-1),
      doubted: () => {
        doubts += 1;
      },
      timers: [
        clock.after(awareness.stretch(probeAnswerMs), () => {
          if (sequence === undefined) return;
          asked = this.#askOthers(member, sequence);
        }),
        clock.after(awareness.stretch(probeEveryMs), () => {
          this.#end(sequence ?? 0);
          // Helpers that say nothing at all speak against this host, not against the member.
          awareness.note(asked === 0 ? 1 : asked - doubts);
          failed(member);
        }),
      ],
    });
    if (sequence === undefined) return;
    send(member.addr, { kind: 'ping', sequence, target: member.id }, member);
  }

  #askOthers(member: Member, sequence: number): number {
    const { id, addr } = member;
    const { members, random, clock, send, reach } = this.#options;
    void reach(member).then((answers) => {
      if (answers) this.acknowledged(sequence);
    });
    const helpers = members.pick(helpersMax, random, clock.monotonic(), (member) => {
      return member.standing === 'alive' && member.id !== id;
    });
    for (const helper of helpers)
      send(helper.addr, { kind: 'ping-request', sequence, target: id, addr });
    return helpers.length;
  }

  /** The number to ask under; undefined when too many are asked already. */
  #begin(waiting: Waiting): number | undefined {
    if (this.#waiting.size >= probesMax) {
      for (const timer of waiting.timers) timer.cancel();
      return undefined;
    }
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#waiting.set(this.#sequence, waiting);
    return this.#sequence;
  }

  #end(sequence: number): Waiting | undefined {
    const waiting = this.#waiting.get(sequence);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(sequence);
    for (const timer of waiting.timers) timer.cancel();
    return waiting;
  }
}
