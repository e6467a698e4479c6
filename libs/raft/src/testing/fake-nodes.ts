import { invariant, type Random, silentLogger } from '@shoal/runtime';
import type { RaftOptions } from '../node/options.ts';
import { RaftNode } from '../node/raft-node.ts';
import type { RaftNodeStart } from '../node/start.ts';
import type { VoterId } from '../types.ts';
import { FakeClock } from './fake-clock.ts';
import { fakeMembership } from './fake-cluster.ts';
import { FakeDisk } from './fake-log-storage.ts';
import { FakeMachine } from './fake-machine.ts';
import { FakeNetwork } from './fake-network.ts';

/** Longer than any election. */
export const electionMsMax = 10_000;

export interface FakeNode {
  readonly id: VoterId;
  readonly disk: FakeDisk;
  machine: FakeMachine;
  node: RaftNode;
}

type Start = Partial<Pick<RaftNodeStart, 'membership' | 'recovery'>>;

/** Real nodes with fake disks, network and clock. */
export class FakeNodes {
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork(this.clock);
  readonly #options: Partial<RaftOptions>;
  #founders: readonly VoterId[] = [];
  all: readonly FakeNode[] = [];

  constructor(options: Partial<RaftOptions>) {
    this.#options = options;
  }

  static async open(options: Partial<RaftOptions> = {}, count = 3): Promise<FakeNodes> {
    const nodes = new FakeNodes(options);
    nodes.#founders = Array.from({ length: count }, (_, at) => (at + 1) as VoterId);
    for (const id of nodes.#founders) await nodes.add(id);
    return nodes;
  }

  /** One more, on an empty disk. */
  async add(id: VoterId, start: Start = {}): Promise<FakeNode> {
    const disk = new FakeDisk();
    const added = { id, disk, ...(await this.start(id, disk, start)) };
    this.all = [...this.all, added];
    return added;
  }

  async start(
    id: VoterId,
    disk: FakeDisk,
    start: Start = {},
  ): Promise<{ machine: FakeMachine; node: RaftNode }> {
    const machine = new FakeMachine();
    const random: Random = { next: () => id / 7, bytes: (count) => new Uint8Array(count) };
    const node = await RaftNode.open({
      id,
      membership: fakeMembership(this.#founders),
      storage: disk.open(),
      machine,
      clock: this.clock,
      random,
      logger: silentLogger,
      transport: this.network.transport(id),
      options: this.#options,
      ...start,
    });
    return { machine, node };
  }

  leaderAmong(nodes: readonly FakeNode[]): FakeNode | undefined {
    return nodes.find(({ node }) => node.status.role === 'leader');
  }

  async elected(nodes = this.all): Promise<FakeNode> {
    await this.clock.until(() => this.leaderAmong(nodes) !== undefined, electionMsMax);
    const leader = this.leaderAmong(nodes);
    invariant(leader !== undefined, 'waited for a leader');
    return leader;
  }

  others(node: FakeNode): readonly [FakeNode, ...FakeNode[]] {
    const [first, ...rest] = this.all.filter((other) => other !== node);
    invariant(first !== undefined, 'there are several');
    return [first, ...rest];
  }

  /** The outcome of `promise`, with time going on meanwhile. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    void promise.then(() => {
      done = true;
    });
    await this.clock.until(() => done, electionMsMax);
    return promise;
  }

  /** Leaves no timer behind. */
  async stop(): Promise<void> {
    await this.settled(Promise.all(this.all.map(({ node }) => node.stop())));
    // What is still on its way through the network.
    await this.clock.advance(100);
    invariant(this.clock.pending === 0, 'no timer is left', { pending: this.clock.pending });
  }
}
