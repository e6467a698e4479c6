import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { Ready } from '../core/events.ts';
import { decodeMembership, idsOf } from '../core/membership.ts';
import type { Raft } from '../core/state.ts';
import type { Entry, VoterId } from '../types.ts';

/**
 * Watches every step of every voter and stops at the first breach of the Raft paper's guarantees
 * (figure 3). It knows more than any voter: all that was ever applied anywhere.
 */
export class SafetyChecker {
  readonly #leaders = new Map<Term, VoterId>();
  readonly #applied: Entry[] = [];
  #voters: readonly VoterId[] = [];
  readonly #asked = new Map<string, number>();

  /** All entries applied anywhere, in order. */
  get history(): readonly Entry[] {
    return this.#applied;
  }

  stepped(raft: Raft, ready: Ready): void {
    if (raft.role.kind === 'leader') this.#electionSafety(raft);
    for (const entry of ready.apply) this.#stateMachineSafety(raft, entry);
    for (const read of ready.reads) {
      const seen = this.#asked.get(`${raft.id}:${read.token}`);
      if (read.kind === 'failed' || seen === undefined) continue;
      invariant(read.index >= seen, 'a read misses what was applied before it was asked', {
        voter: raft.id,
        index: read.index,
        seen,
      });
    }
  }

  /** From here on the answer must show everything that anyone has applied by now. */
  readAsked(voter: VoterId, token: number): void {
    this.#asked.set(`${voter}:${token}`, this.#applied.length);
  }

  #electionSafety(raft: Raft): void {
    const known = this.#leaders.get(raft.term);
    invariant(known === undefined || known === raft.id, 'two leaders in one term', {
      term: raft.term,
      known,
      other: raft.id,
    });
    if (known !== undefined) return;
    this.#leaders.set(raft.term, raft.id);
    this.#leaderCompleteness(raft);
  }

  #leaderCompleteness(raft: Raft): void {
    for (const entry of this.#applied) {
      if (entry.index <= raft.log.base.index) continue;
      invariant(raft.log.termAt(entry.index) === entry.term, 'a leader lacks a committed entry', {
        leader: raft.id,
        term: raft.term,
        index: entry.index,
      });
    }
  }

  #stateMachineSafety(raft: Raft, entry: Entry): void {
    const known = this.#applied[entry.index - 1];
    if (known === undefined) {
      invariant(entry.index === this.#applied.length + 1, 'applied without gaps', { ...entry });
      this.#applied.push(entry);
      if (entry.kind === 'membership') this.#oneAtATime(entry);
      return;
    }
    const same = known.term === entry.term && Buffer.compare(known.data, entry.data) === 0;
    invariant(same, 'two voters applied different entries', {
      voter: raft.id,
      index: entry.index,
      terms: [known.term, entry.term],
    });
  }

  /** Any majority of a membership meets any majority of the next (Raft thesis, 4.1). */
  #oneAtATime({ index, data }: Entry): void {
    const before = this.#voters;
    const voters = idsOf(decodeMembership(data).voters);
    this.#voters = voters;
    // One that was told to go on alone has given up several at once.
    if (before.length === 0 || voters.length === 1) return;
    const came = voters.filter((id) => !before.includes(id)).length;
    const went = before.filter((id) => !voters.includes(id)).length;
    invariant(came + went <= 1, 'two voters changed at once', { index, before, voters });
  }

  /** Equal index and term mean equal logs up to there. */
  logMatching(cores: readonly Raft[]): void {
    for (const [at, a] of cores.entries()) for (const b of cores.slice(at + 1)) matching(a, b);
  }
}

function matching(a: Raft, b: Raft): void {
  const from = Math.max(a.log.base.index, b.log.base.index);
  let met = false;
  for (let index: number = Math.min(a.log.last, b.log.last); index > from; index -= 1) {
    const same = a.log.termAt(index as LogIndex) === b.log.termAt(index as LogIndex);
    invariant(!met || same, 'logs meet and part again', { voters: [a.id, b.id], index });
    met ||= same;
  }
}
