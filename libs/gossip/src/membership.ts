import { type Clock, type HostPort, invariant, type Random, type Timer } from '@shoal/runtime';
import { Awareness } from './awareness.ts';
import {
  confirmationsMax,
  gossipEveryMs,
  gossipFanOut,
  gossipToGoneMs,
  packetBytesMax,
  reconnectEveryMs,
  syncEveryMs,
  syncEveryMsFirst,
  syncScaleFrom,
} from './limits.ts';
import { isGone, type Member, type Rumour, type Standing, supersedes } from './member.ts';
import { Members } from './members.ts';
import { Prober } from './prober.ts';
import { Rumours, retransmissions } from './rumours.ts';
import { suspicionMs } from './suspicion.ts';
import type { GossipTransport, Packet, Probe } from './transport.ts';

export interface MembershipOptions {
  readonly id: string;
  readonly addr: HostPort;
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly random: Random;
  /** What is thought of a member has changed; `before` is absent for one that is new. */
  readonly changed: (member: Member, before: Member | undefined) => void;
}

interface Suspicion {
  readonly from: Set<string>;
  readonly beganAt: number;
  timer: Timer;
}

/** Room in a packet for all but the news, bytes. */
const headBytes = 200;

/**
 * Which hosts are there: SWIM (Das, Gupta, Motivala 2002) with the refinements of Lifeguard (Dadgar,
 * Phillips, Currey 2018). Each host sends a bounded number of packets in a second however many there are.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #members = new Members();
  readonly #rumours = new Rumours();
  readonly #awareness = new Awareness();
  readonly #prober: Prober;
  readonly #suspicions = new Map<string, Suspicion>();
  #timers: Timer[] = [];
  #incarnation = 0;
  #left = false;
  /** Syncs since the start: the first ones come quickly, for a newcomer is easily missed. */
  #syncs = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#prober = new Prober({
      members: this.#members,
      awareness: this.#awareness,
      clock,
      random,
      reach: (to) => options.transport.reach(to),
      send: (to, probe, about) => this.#send(to, probe, about),
      failed: (member) => this.#failed(member),
    });
    this.#prober.start();
    this.#every(
      () => gossipEveryMs,
      () => this.#gossip(),
    );
    this.#every(
      () => this.#syncPauseMs(),
      () => void this.#syncWithOne('alive'),
    );
    this.#every(
      () => reconnectEveryMs,
      () => {
        this.#members.sweep(clock.monotonic());
        void this.#syncWithOne('dead');
      },
    );
  }

  get self(): Member {
    const { id, addr } = this.#options;
    const standing: Standing = this.#left ? 'left' : 'alive';
    return { id, addr, incarnation: this.#incarnation, standing };
  }

  /** All that are not gone, this host among them. */
  get present(): readonly Member[] {
    return [this.self, ...[...this.#members.all()].filter((member) => !isGone(member))];
  }

  member(id: string): Member | undefined {
    return id === this.#options.id ? this.self : this.#members.get(id);
  }

  /** 0 while this host has no reason to doubt itself. */
  get doubt(): number {
    return this.#awareness.score;
  }

  /** Asks these addresses who is there; how many answered. */
  async join(addrs: readonly HostPort[]): Promise<number> {
    const answers = await Promise.all(addrs.map((addr) => this.#sync(addr)));
    return answers.filter(Boolean).length;
  }

  /** Says goodbye: the others need not find out. News go out for a little while yet. */
  leave(): void {
    this.#left = true;
    this.#incarnation += 1;
    this.#rumours.add({ ...this.self, from: this.#options.id });
  }

  stop(): void {
    this.#prober.stop();
    for (const timer of this.#timers) timer.cancel();
    for (const { timer } of this.#suspicions.values()) timer.cancel();
    this.#suspicions.clear();
  }

  /** One datagram, from the address it came from. */
  receive(packet: Packet, from: HostPort): void {
    for (const rumour of packet.rumours) this.#hear(rumour);
    if (packet.probe !== undefined) this.#probed(packet.probe, from);
  }

  /** Another host's list; gives this host's. */
  answerSync(list: readonly Member[]): readonly Member[] {
    const own = this.#list();
    this.#merge(list);
    return own;
  }

  #every(pauseMs: () => number, act: () => void): void {
    const slot = this.#timers.length;
    const arm = (): void => {
      // Not all hosts in the same moment.
      const jitter = 0.9 + 0.2 * this.#options.random.next();
      this.#timers[slot] = this.#options.clock.after(pauseMs() * jitter, () => {
        arm();
        act();
      });
    };
    arm();
  }

  #probed(probe: Probe, from: HostPort): void {
    switch (probe.kind) {
      case 'ping':
        if (probe.target === this.#options.id)
          this.#send(from, { kind: 'ack', sequence: probe.sequence });
        return;
      case 'ping-request': {
        const { sequence, target: id, addr } = probe;
        const target: Member = { id, addr, incarnation: 0, standing: 'alive' };
        this.#prober.help(target, (kind) => this.#send(from, { kind, sequence }));
        return;
      }
      case 'ack':
        this.#prober.acknowledged(probe.sequence);
        return;
      case 'nack':
        this.#prober.doubted(probe.sequence);
        return;
    }
  }

  #hear(rumour: Rumour): void {
    if (rumour.id === this.#options.id) {
      this.#hearOfSelf(rumour);
      return;
    }
    const known = this.#members.get(rumour.id);
    if (known === undefined) {
      // Of a stranger that is gone there is nothing to forget.
      if (!isGone(rumour)) this.#adopt(rumour, undefined);
    } else if (supersedes(rumour, known)) this.#adopt(rumour, known);
    else if (rumour.standing === 'suspect' && rumour.incarnation === known.incarnation)
      this.#confirm(rumour);
  }

  /** Whatever is said of this host that is not so is contradicted (SWIM, 4.2). */
  #hearOfSelf({ incarnation, standing }: Rumour): void {
    const isSo = standing === this.self.standing && incarnation === this.#incarnation;
    if (isSo || incarnation < this.#incarnation) return;
    this.#incarnation = incarnation + 1;
    // Suspected without cause: this host is the slow one.
    if (standing === 'suspect') this.#awareness.note(1);
    this.#rumours.add({ ...this.self, from: this.#options.id });
  }

  #adopt(rumour: Rumour, before: Member | undefined): void {
    const { from: _from, ...member } = rumour;
    if (!this.#members.put(member, this.#options.clock.monotonic())) return;
    this.#suspicions.get(member.id)?.timer.cancel();
    this.#suspicions.delete(member.id);
    if (member.standing === 'suspect') this.#suspect(rumour);
    this.#rumours.add(rumour);
    const same = before?.standing === member.standing && before.addr === member.addr;
    if (!same) this.#options.changed(member, before);
  }

  #suspect({ id, from }: Rumour): void {
    const { clock } = this.#options;
    const timer = clock.after(this.#patienceMs(0), () => this.#giveUp(id));
    this.#suspicions.set(id, { from: new Set([from]), beganAt: clock.monotonic(), timer });
  }

  /** Another host came to the same view by itself. */
  #confirm(rumour: Rumour): void {
    const suspicion = this.#suspicions.get(rumour.id);
    if (suspicion === undefined || suspicion.from.has(rumour.from)) return;
    if (suspicion.from.size > confirmationsMax) return;
    suspicion.from.add(rumour.from);
    const { clock } = this.#options;
    const elapsed = clock.monotonic() - suspicion.beganAt;
    const leftMs = Math.max(0, this.#patienceMs(suspicion.from.size - 1) - elapsed);
    suspicion.timer.cancel();
    suspicion.timer = clock.after(leftMs, () => this.#giveUp(rumour.id));
    this.#rumours.add(rumour);
  }

  #patienceMs(confirmations: number): number {
    return suspicionMs(this.#members.present + 1, confirmations);
  }

  #giveUp(id: string): void {
    const member = this.#members.get(id);
    invariant(member?.standing === 'suspect', 'only suspects are given up', { id });
    this.#adopt({ ...member, standing: 'dead', from: this.#options.id }, member);
  }

  #failed(member: Member): void {
    const known = this.#members.get(member.id);
    if (known === undefined || isGone(known)) return;
    this.#hear({ ...known, standing: 'suspect', from: this.#options.id });
  }

  #gossip(): void {
    if (this.#rumours.size === 0) return;
    const { clock, random } = this.#options;
    const now = clock.monotonic();
    const targets = this.#members.pick(gossipFanOut, random, now, (member, inStandingMs) => {
      return !isGone(member) || (member.standing === 'dead' && inStandingMs < gossipToGoneMs);
    });
    for (const { addr } of targets) this.#send(addr, undefined);
  }

  /** Fills the packet with news. What is said of `about` goes first, so that it can contradict at once. */
  #send(to: HostPort, probe: Probe | undefined, about?: Member): void {
    const { id, transport } = this.#options;
    const first: Rumour[] =
      about !== undefined && about.standing !== 'alive' ? [{ ...about, from: id }] : [];
    let left = packetBytesMax - headBytes;
    for (const rumour of first) left -= transport.bytesOf(rumour);
    const times = retransmissions(this.#members.present + 1);
    const rumours = this.#rumours.take(times, (rumour) => {
      const bytes = transport.bytesOf(rumour);
      if (bytes > left) return false;
      left -= bytes;
      return true;
    });
    if (probe === undefined && rumours.length === 0) return;
    transport.send(to, { from: id, probe, rumours: [...first, ...rumours] });
  }

  #syncPauseMs(): number {
    const members = this.#members.present + 1;
    const early = syncEveryMsFirst * 2 ** this.#syncs;
    if (early < syncEveryMs) {
      this.#syncs += 1;
      return early;
    }
    return syncEveryMs * (1 + Math.max(0, Math.ceil(Math.log2(members / syncScaleFrom))));
  }

  async #syncWithOne(standing: 'alive' | 'dead'): Promise<void> {
    const { clock, random } = this.#options;
    const [member] = this.#members.pick(1, random, clock.monotonic(), (other) => {
      return other.standing === standing;
    });
    if (member !== undefined) await this.#sync(member.addr);
  }

  async #sync(addr: HostPort): Promise<boolean> {
    const answer = await this.#options.transport.sync(addr, this.#list());
    if (answer === undefined) return false;
    this.#merge(answer);
    return true;
  }

  #list(): readonly Member[] {
    return [this.self, ...this.#members.all()];
  }

  /** Who is dead to another host is a suspect here first: it gets the chance to contradict. */
  #merge(list: readonly Member[]): void {
    for (const member of list) {
      const isStranger =
        this.#members.get(member.id) === undefined && member.id !== this.#options.id;
      if (isStranger && isGone(member)) continue;
      const standing = member.standing === 'dead' ? 'suspect' : member.standing;
      this.#hear({ ...member, standing, from: this.#options.id });
    }
  }
}
