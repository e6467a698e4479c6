import {
  type Clock,
  formatHostPort,
  type HostPort,
  invariant,
  type Monotonic,
  type Random,
  type Timer,
} from '@shoal/runtime';
import { Awareness } from './awareness.ts';
import { rumourBytes } from './codec.ts';
import { digestOf, digestText } from './digest.ts';
import {
  confirmationsMax,
  gossipFanOut,
  gossipToGoneMs,
  incarnationMax,
  packetBytesMax,
  reconnectEveryMs,
  reconnectFanOut,
  strangersEveryMs,
  syncEveryMs,
  syncEveryMsFirst,
  syncScaleFrom,
} from './limits.ts';
import {
  isGone,
  isSameAddress,
  type Member,
  type Rumour,
  type Standing,
  supersedes,
} from './member.ts';
import { Members } from './members.ts';
import { Prober } from './prober.ts';
import { Rounds } from './rounds.ts';
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
  readonly #rounds: Rounds;
  readonly #suspicions = new Map<string, Suspicion>();
  #timers: Timer[] = [];
  #addr: HostPort;
  #incarnation = 0;
  /** Undefined when something has changed since. */
  #digest: string | undefined;
  /** When a stranger was last asked who is there. */
  #metAt: Monotonic | undefined;
  #left = false;
  #stopped = false;
  /** Syncs since the start: the first ones come quickly, for a newcomer is easily missed. */
  #syncs = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#addr = options.addr;
    const { clock, random } = options;
    this.#rounds = new Rounds({
      clock,
      random,
      hasNews: () => this.#rumours.size > 0,
      tell: () => this.tellNews(),
    });
    this.#prober = new Prober({
      members: this.#members,
      awareness: this.#awareness,
      clock,
      random,
      reach: async ({ addr, id: target }) => {
        const answer = await options.transport.ask(addr, { kind: 'reach', target, digest: '' });
        return answer !== undefined;
      },
      send: (to, probe, about) => this.#send(to, probe, about),
      failed: (member) => this.#failed(member),
    });
    this.#prober.start();
    this.#every(
      () => this.#syncPauseMs(),
      () => void this.#compareWithOne(),
    );
    this.#every(
      () => reconnectEveryMs,
      () => {
        this.#members.sweep(clock.monotonic());
        for (const { addr } of this.#some('dead', reconnectFanOut)) void this.#sync(addr);
      },
    );
  }

  get self(): Member {
    const { id } = this.#options;
    const standing: Standing = this.#left ? 'left' : 'alive';
    return { id, addr: this.#addr, incarnation: this.#incarnation, standing };
  }

  /** All members that are not gone, this host among them. */
  get present(): readonly Member[] {
    return [this.self, ...[...this.#members.all()].filter((member) => !isGone(member))];
  }

  /** Everybody this host has heard of, those that are gone too, without itself. */
  get others(): readonly Member[] {
    return [...this.#members.all()];
  }

  /** Digest of all members not gone: hosts with equal ones think the same of the same members. */
  digest(): string {
    this.#digest ??= this.#computeDigest();
    return this.#digest;
  }

  #computeDigest(): string {
    let digest = 0n;
    for (const { id, addr, incarnation, standing } of this.present)
      digest ^= digestOf(JSON.stringify([id, formatHostPort(addr), incarnation, standing]));
    return digestText(digest);
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

  /** The others reach this host elsewhere from now on, and are told so. */
  moved(addr: HostPort): void {
    this.#addr = addr;
    this.#tellOfSelf();
  }

  /** Says goodbye: the others need not find out. News go out for a little while yet. */
  leave(): void {
    this.#left = true;
    this.#tellOfSelf();
  }

  #tellOfSelf(): void {
    this.#incarnation = Math.min(this.#incarnation + 1, incarnationMax);
    this.#digest = undefined;
    this.#tell({ ...this.self, from: this.#options.id });
  }

  stop(): void {
    this.#stopped = true;
    this.#rounds.stop();
    this.#prober.stop();
    for (const timer of this.#timers) timer.cancel();
    for (const { timer } of this.#suspicions.values()) timer.cancel();
    this.#suspicions.clear();
  }

  /** Takes one datagram, from the address it came from. */
  receive(packet: Packet, from: HostPort): void {
    for (const rumour of packet.rumours) this.#hear(rumour);
    if (this.member(packet.from) === undefined) this.#meet(from);
    if (packet.probe !== undefined) this.#probed(packet.probe, packet.from, from);
  }

  /** It knows this host, which does not know it: one of them has missed something. */
  #meet(stranger: HostPort): void {
    const now = this.#options.clock.monotonic();
    if (this.#metAt !== undefined && now - this.#metAt < strangersEveryMs) return;
    this.#metAt = now;
    void this.#sync(stranger);
  }

  /** A host spoke of itself. */
  greet(member: Member): void {
    this.#hear({ ...member, from: member.id });
  }

  /** Another host's list; gives this host's, in which it has contradicted what is not so. */
  answerSync(list: readonly Member[]): readonly Member[] {
    this.#merge(list);
    return this.#list();
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

  #probed(probe: Probe, asker: string, from: HostPort): void {
    switch (probe.kind) {
      case 'ping':
        if (probe.target === this.#options.id) this.#acknowledge(probe.sequence, asker, from);
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

  /** A recorded ping must not make this host send more than it got to somebody else. */
  #acknowledge(sequence: number, asker: string, from: HostPort): void {
    const { id, transport } = this.#options;
    const probe: Probe = { kind: 'ack', sequence };
    const known = this.#members.get(asker)?.addr;
    if (known !== undefined && isSameAddress(known, from)) this.#send(from, probe);
    else transport.send(from, { from: id, probe, rumours: [], tables: [] });
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
  #hearOfSelf({ incarnation, standing, addr }: Rumour): void {
    const { self } = this;
    const isSo =
      standing === self.standing &&
      incarnation === self.incarnation &&
      isSameAddress(addr, self.addr);
    if (isSo) return;
    if (incarnation < this.#incarnation) {
      // Whoever says so has missed the contradiction.
      if (standing !== 'alive') this.#tell({ ...self, from: this.#options.id });
      return;
    }
    this.#incarnation = Math.min(incarnation + 1, incarnationMax);
    this.#digest = undefined;
    // Suspected without cause: this host is the slow one.
    if (standing === 'suspect') this.#awareness.note(1);
    this.#tell({ ...this.self, from: this.#options.id });
  }

  #adopt(rumour: Rumour, before: Member | undefined): void {
    const { from: _from, ...member } = rumour;
    if (!this.#members.put(member, this.#options.clock.monotonic())) return;
    this.#digest = undefined;
    this.#suspicions.get(member.id)?.timer.cancel();
    this.#suspicions.delete(member.id);
    if (member.standing === 'suspect') this.#suspect(rumour);
    this.#tell(rumour);
    const same = before?.standing === member.standing && isSameAddress(before.addr, member.addr);
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
    this.#tell(rumour);
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

  #tell(rumour: Rumour): void {
    this.#rumours.add(rumour);
    this.#rounds.wake();
  }

  /** Some members, however many there are, get a packet of news. */
  tellNews(): void {
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
    for (const rumour of first) left -= rumourBytes(rumour);
    const times = retransmissions(this.#members.present + 1);
    const rumours = this.#rumours.take(times, (rumour) => {
      const bytes = rumourBytes(rumour);
      if (bytes > left) return false;
      left -= bytes;
      return true;
    });
    if (probe === undefined && rumours.length === 0) return;
    transport.send(to, { from: id, probe, rumours: [...first, ...rumours], tables: [] });
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

  /** Only where the lists differ do they travel. */
  async #compareWithOne(): Promise<void> {
    const [member] = this.#some('alive', 1);
    if (member === undefined) return;
    const question = { kind: 'reach', target: member.id, digest: this.digest() } as const;
    const answer = await this.#options.transport.ask(member.addr, question);
    if (answer?.kind === 'reached' && !answer.same) await this.#sync(member.addr);
  }

  #some(standing: Standing, count: number): readonly Member[] {
    const { clock, random } = this.#options;
    const fits = (other: Member): boolean => other.standing === standing;
    return this.#members.pick(count, random, clock.monotonic(), fits);
  }

  async #sync(addr: HostPort): Promise<boolean> {
    const list = this.#list();
    const answer = await this.#options.transport.ask(addr, { kind: 'members', list });
    if (answer?.kind !== 'members' || this.#stopped) return false;
    this.#merge(answer.list);
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
