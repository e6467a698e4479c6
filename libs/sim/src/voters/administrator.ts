import type { MembershipChange, VoterId } from '@shoal/raft';
import type { Clock } from '@shoal/runtime';
import type { SimulatedVoter } from './simulated-voter.ts';

/** How often the membership is compared with what is wanted, milliseconds. */
const lookMs = 100;

/** Brings the membership to what is wanted, one change after the other, as managers come and go. */
export class FakeAdministrator {
  readonly #clock: Clock;
  readonly #voters: () => readonly SimulatedVoter[];
  readonly #wanted: ReadonlySet<VoterId>;
  #asking: SimulatedVoter['node'];

  constructor(clock: Clock, voters: () => readonly SimulatedVoter[], wanted: ReadonlySet<VoterId>) {
    this.#clock = clock;
    this.#voters = voters;
    this.#wanted = wanted;
  }

  start(): void {
    this.#clock.after(lookMs, () => {
      this.#look();
      this.start();
    });
  }

  /** The leader of the newest term, as far as the voters themselves know. */
  leader(): SimulatedVoter | undefined {
    const leading = this.#voters().filter(({ node }) => node?.status.role === 'leader');
    const term = (voter: SimulatedVoter): number => voter.node?.status.term ?? 0;
    return leading.sort((a, b) => term(b) - term(a))[0];
  }

  /** Whether the leader's membership is the wanted one. */
  get settled(): boolean {
    const membership = this.leader()?.node?.membership;
    return (
      membership !== undefined &&
      membership.learners.length === 0 &&
      membership.voters.length === this.#wanted.size &&
      membership.voters.every(({ id }) => this.#wanted.has(id))
    );
  }

  #look(): void {
    const node = this.leader()?.node;
    if (node === undefined || this.#asking === node) return;
    const change = this.#change(node.membership);
    if (change === undefined) return;
    this.#asking = node;
    void node.changeMembership(change).then(() => {
      if (this.#asking === node) this.#asking = undefined;
    });
  }

  #change({
    voters,
    learners,
  }: NonNullable<SimulatedVoter['node']>['membership']): MembershipChange | undefined {
    const ready = learners.find(({ id }) => this.#wanted.has(id));
    const gone = [...learners, ...voters].find(({ id }) => !this.#wanted.has(id));
    const known = new Set([...voters, ...learners].map(({ id }) => id));
    const added = this.#voters().find(({ id }) => this.#wanted.has(id) && !known.has(id));
    if (ready !== undefined) return { kind: 'promote', id: ready.id };
    if (added !== undefined) return { kind: 'add-learner', member: added.member };
    if (gone !== undefined) return { kind: 'remove', id: gone.id };
    return undefined;
  }
}
