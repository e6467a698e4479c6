import { invariant, type LogIndex } from '@shoal/runtime';
import type { Entry, Member, Membership, MembershipChange, VoterId } from '../types.ts';
import { majority } from './quorum.ts';

/** A learner is promoted once it lacks no more entries than this. */
export const promotionLagMax = 1_000;

/** A membership and the entry that brought it; 0 for the one a voter was started with. */
export interface MembershipAt {
  readonly index: LogIndex;
  readonly membership: Membership;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The content of a `membership` entry: the whole membership after the change, UTF-8 JSON. */
export function encodeMembership({ voters, learners }: Membership): Uint8Array {
  const plain = ({ id, nodeId, addr }: Member): Member => ({ id, nodeId, addr });
  return encoder.encode(
    JSON.stringify({ voters: voters.map(plain), learners: learners.map(plain) }),
  );
}

/** Reads what {@link encodeMembership} wrote; the entry came through the log, so it is whole. */
export function decodeMembership(data: Uint8Array): Membership {
  const { voters, learners } = JSON.parse(decoder.decode(data)) as Membership;
  invariant(Array.isArray(voters) && voters.length > 0, 'a membership has voters');
  invariant(Array.isArray(learners), 'a membership has learners, perhaps none');
  return { voters, learners };
}

/**
 * The memberships in the log. The newest is in effect, committed or not (Raft thesis, 4.1); when its entry
 * is replaced the one before is in effect again.
 */
export class Memberships {
  #known: MembershipAt[];

  /** `base` is what the log begins with. */
  constructor(base: MembershipAt, entries: readonly Entry[]) {
    this.#known = [base];
    this.appended(entries);
  }

  get newest(): MembershipAt {
    const newest = this.#known.at(-1);
    invariant(newest !== undefined, 'there is always a membership');
    return newest;
  }

  /** The one before the newest, as long as it is known. */
  get previous(): MembershipAt | undefined {
    return this.#known.at(-2);
  }

  /** What was in effect at `index`, which is not before the last compaction. */
  at(index: LogIndex): MembershipAt {
    const found = this.#known.findLast((known) => known.index <= index);
    invariant(found !== undefined, 'a membership that is known', { index });
    return found;
  }

  /** Whether one that came with an entry up to `commit` has this voter as a member. */
  names(id: VoterId, commit: LogIndex): boolean {
    return this.#known.some(
      ({ index, membership }) =>
        index > 0 && index <= commit && memberOf(membership, id) !== undefined,
    );
  }

  /** Whether there is a new one among them. */
  appended(entries: readonly Entry[]): boolean {
    const before = this.#known.length;
    for (const { index, kind, data } of entries)
      if (kind === 'membership') this.#known.push({ index, membership: decodeMembership(data) });
    return this.#known.length > before;
  }

  /** The entries after `last` left the log. */
  truncated(last: LogIndex): void {
    this.#known = this.#known.filter(({ index }, at) => at === 0 || index <= last);
  }

  /** The entries up to `base` left memory. */
  compacted(base: LogIndex): void {
    const first = this.at(base);
    this.#known = this.#known.slice(this.#known.indexOf(first));
  }

  reset(base: MembershipAt): void {
    this.#known = [base];
  }
}

export function idsOf(members: readonly Member[]): readonly VoterId[] {
  return members.map(({ id }) => id);
}

export function memberOf({ voters, learners }: Membership, id: VoterId): Member | undefined {
  return [...voters, ...learners].find((member) => member.id === id);
}

export type Changed =
  | { readonly kind: 'changed'; readonly membership: Membership }
  | { readonly kind: 'refused'; readonly code: 'busy' | 'refused'; readonly message: string };

/** What a change is judged by. */
export interface Standing {
  /** Whether it was heard from lately, and how far it is. */
  readonly active: (id: VoterId) => boolean;
  readonly match: (id: VoterId) => LogIndex;
  readonly commit: LogIndex;
}

/** The membership after one change of one member, or why it must not be. */
export function changed(from: Membership, change: MembershipChange, standing: Standing): Changed {
  const { voters, learners } = from;
  switch (change.kind) {
    case 'add-learner': {
      const { member } = change;
      if (memberOf(from, member.id) !== undefined)
        return refused(`voter ${member.id} is a member already`);
      return { kind: 'changed', membership: { voters, learners: [...learners, member] } };
    }
    case 'promote': {
      const member = learners.find(({ id }) => id === change.id);
      if (member === undefined) return refused(`voter ${change.id} is no learner`);
      if (!standing.active(member.id) || lag(standing, member.id) > promotionLagMax)
        return busy(`voter ${member.id} has not caught up with the log yet`);
      const rest = learners.filter(({ id }) => id !== member.id);
      return { kind: 'changed', membership: { voters: [...voters, member], learners: rest } };
    }
    case 'remove':
      return removed(from, change.id, standing);
    case 'move': {
      if (memberOf(from, change.id) === undefined) return refused(`no member ${change.id}`);
      const moved = (member: Member): Member =>
        member.id === change.id ? { ...member, addr: change.addr } : member;
      const membership = { voters: voters.map(moved), learners: learners.map(moved) };
      return { kind: 'changed', membership };
    }
  }
}

function removed(from: Membership, id: VoterId, { active }: Standing): Changed {
  const voters = from.voters.filter((member) => member.id !== id);
  const learners = from.learners.filter((member) => member.id !== id);
  if (memberOf(from, id) === undefined) return refused(`no member ${id}`);
  if (voters.length === 0) return refused('the last voter stays');
  const reachable = voters.filter((member) => active(member.id)).length;
  if (voters.length < from.voters.length && reachable < majority(voters.length))
    return refused(
      `without it ${reachable} of ${voters.length} voters are reachable, ${majority(voters.length)} are needed: this would result in a loss of quorum`,
    );
  return { kind: 'changed', membership: { voters, learners } };
}

function lag({ match, commit }: Standing, id: VoterId): number {
  return commit - match(id);
}

function refused(message: string): Changed {
  return { kind: 'refused', code: 'refused', message };
}

function busy(message: string): Changed {
  return { kind: 'refused', code: 'busy', message };
}
