import type { Monotonic, Random } from '@shoal/runtime';
import { goneKeptMs, membersMax } from './limits.ts';
import { isGone, type Member } from './member.ts';

interface Entry {
  member: Member;
  /** When its standing last changed. */
  since: Monotonic;
}

/** Everybody this host has heard of, without itself. */
export class Members {
  readonly #entries = new Map<string, Entry>();
  #present = 0;

  /** Number of members that are not gone. */
  get present(): number {
    return this.#present;
  }

  get(id: string): Member | undefined {
    return this.#entries.get(id)?.member;
  }

  *all(): IterableIterator<Member> {
    for (const { member } of this.#entries.values()) yield member;
  }

  /** Whether there was room: strangers are not taken in without end. */
  put(member: Member, now: Monotonic): boolean {
    const entry = this.#entries.get(member.id);
    if (entry === undefined) {
      if (this.#entries.size >= membersMax) return false;
      this.#entries.set(member.id, { member, since: now });
      if (!isGone(member)) this.#present += 1;
      return true;
    }
    this.#present += Number(!isGone(member)) - Number(!isGone(entry.member));
    if (entry.member.standing !== member.standing) entry.since = now;
    entry.member = member;
    return true;
  }

  /** Forgets who has been gone for long. */
  sweep(now: Monotonic): void {
    for (const [id, { member, since }] of this.#entries)
      if (isGone(member) && now - since > goneKeptMs) this.#entries.delete(id);
  }

  /** Up to `count` members by chance, of those that `fits`, given the time in their standing. */
  pick(
    count: number,
    random: Random,
    now: Monotonic,
    fits: (member: Member, inStandingMs: number) => boolean,
  ): readonly Member[] {
    const fitting: Member[] = [];
    for (const { member, since } of this.#entries.values())
      if (fits(member, now - since)) fitting.push(member);
    const picked = Math.min(count, fitting.length);
    for (let at = 0; at < picked; at += 1) {
      const other = at + Math.floor(random.next() * (fitting.length - at));
      const a = fitting[at];
      const b = fitting[other];
      if (a !== undefined && b !== undefined) [fitting[at], fitting[other]] = [b, a];
    }
    return fitting.slice(0, picked);
  }
}
