import type { FollowOpening } from '@shoal/proto';
import { RaftNode, type VoterId } from '@shoal/raft';
import type { ServedFollow, ServedProposals, VoterClient } from '@shoal/raft/client';
import { VoterMachine, VoterService } from '@shoal/raft/service';
import { FakeDisk } from '@shoal/raft/testing';
import { type Clock, invariant, type Logger } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import type { SimulatedNetwork } from './network.ts';
import { SimulatedProcess } from './process.ts';
import type { SeededRandom } from './random.ts';
import { StreamEnd } from './stream.ts';

export interface SimulatedVoterOptions {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly logger: Logger;
  /** Called after each applied entry with the voter's own state. */
  readonly onApplied: (view: StateView) => void;
}

const id = 1 as VoterId;
const writeMs = 1;
/** Small, so that every run snapshots, compacts and sends snapshots to followers. */
const raftOptions = { snapshotIntervalEntries: 200, entriesKeptForFollowers: 50 };

/** The log of a one-voter cluster: the real node and service over a fake disk that a crash can hit at any point. */
export class SimulatedVoter {
  readonly #options: SimulatedVoterOptions;
  readonly #disk: FakeDisk;
  #process: SimulatedProcess | undefined;
  #service: VoterService | undefined;
  #machine: VoterMachine | undefined;

  constructor(options: SimulatedVoterOptions) {
    this.#options = options;
    this.#disk = new FakeDisk(options.clock, writeMs);
  }

  get view(): StateView | undefined {
    return this.#machine?.view;
  }

  /** The state as a byte string, for comparisons. */
  image(): Buffer {
    return Buffer.concat([...(this.#machine?.snapshot().chunks ?? [])]);
  }

  async start(): Promise<void> {
    const { clock, random, logger, onApplied } = this.#options;
    const process = new SimulatedProcess('voter', clock, random.fork());
    this.#process = process;
    const storage = this.#disk.open();
    const machine = new VoterMachine();
    const parts = { clock: process.clock, random: process.random, logger };
    const node = await RaftNode.open({
      id,
      membership: { voters: [{ id, nodeId: 'simulated', addr: '' }], learners: [] },
      storage,
      machine,
      options: raftOptions,
      ...parts,
    });
    if (!process.alive) return;
    const service = new VoterService({
      log: node,
      machine,
      admit: () => ({ kind: 'admitted', nodeId: 'simulated' }),
      admitPresent: () => ({ kind: 'admitted', nodeId: 'simulated' }),
      status: () => ({
        voterId: id,
        leaderId: id,
        term: node.status.term,
        committed: node.status.committed,
        applied: node.status.applied,
        firstIndex: node.status.first,
        lastIndex: node.status.last,
        snapshotIndex: node.status.snapshot,
        storageError: '',
        leaderNodeId: 'simulated',
        learner: false,
        members: [],
        voters: 1,
        active: 1,
      }),
      ...parts,
    });
    node.onCommitted(() => {
      service.committed();
      onApplied(machine.view);
    });
    service.leadershipGained();
    this.#machine = machine;
    this.#service = service;
  }

  /** kill -9: what is on the disk stays, everything else is gone. */
  crash(): void {
    this.#process?.kill();
    this.#disk.crash();
    this.#service = undefined;
  }

  /** A client as a process makes it; its calls fail while the voter is down. */
  clientFor(client: SimulatedProcess): VoterClient {
    const calls = {
      follow: (opening: FollowOpening) =>
        this.#open(client, (service, end) =>
          service.serveFollower(end as unknown as ServedFollow, opening),
        ),
      propose: ({ forwarded = false, follows = false } = {}) =>
        this.#open(client, (service, end) =>
          service.serveProposals(end as unknown as ServedProposals, { forwarded, follows }),
        ),
      holdLease: () =>
        this.#open(client, (service, end) => {
          const handle = service.implementation['holdLease'];
          invariant(handle !== undefined, 'the service grants leases', {});
          (handle as (call: unknown) => void)(end);
        }),
      close: () => undefined,
    };
    return calls as unknown as VoterClient;
  }

  #open(
    client: SimulatedProcess,
    serve: (service: VoterService, end: StreamEnd) => void,
  ): StreamEnd {
    const { network, clock, random } = this.#options;
    const server = this.#process ?? new SimulatedProcess('voter', clock, random.fork());
    const ends = StreamEnd.pair(network, client, server);
    network.send(client.name, server.name, () => {
      const service = this.#process === server ? this.#service : undefined;
      if (service === undefined) ends.server.breakOff();
      else serve(service, ends.server);
    });
    return ends.client;
  }
}
