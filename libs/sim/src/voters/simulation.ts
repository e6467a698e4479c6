import type { Entry, Member, Membership, RaftOptions, VoterId } from '@shoal/raft';
import { SafetyChecker } from '@shoal/raft/testing';
import { type Instant, type Logger, silentLogger } from '@shoal/runtime';
import { SimulatedClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import { FakeAdministrator } from './administrator.ts';
import { FakeClient } from './client.ts';
import { contradiction, History } from './history.ts';
import { ListMachine } from './list-machine.ts';
import { VoterNetwork } from './network.ts';
import { type Action, type Plan, quietWay } from './plan.ts';
import { SimulatedVoter } from './simulated-voter.ts';

const epoch = Date.UTC(2026, 0, 1) as Instant;
const clientCount = 4;
/** Faults have stopped: by then everything must work and agree again, milliseconds. */
const recoveryMsMax = 60_000;
const votersMin = 3;
const votersMax = 7;
/** Writes that each client must get through after the faults. */
const writesAfterwards = 3;

/** Every other run has read leases: short enough for clocks of which one runs four times as fast as another. */
const readLeaseMs = 100;
/** Small, so that every run snapshots, compacts and sends snapshots to voters that lag. */
const options: Partial<RaftOptions> = {
  tickMs: 50,
  snapshotIntervalEntries: 60,
  entriesKeptForFollowers: 20,
  probeMs: 100,
  probeMsMax: 500,
  snapshotRetryMs: 500,
  appendBytesMax: 256,
};

export interface VotersReport {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly terms: number;
  readonly crashes: number;
  readonly membershipChanges: number;
  /** Of the faults' end until all voters agreed, milliseconds. */
  readonly recoveryMs: number;
}

/** A rule was broken; the message says which, and when. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

/**
 * Voters, clients and an administrator under one plan of faults: first everything goes wrong (safety is
 * checked at every step), then nothing does, and all must agree within a bounded time (liveness).
 */
export class VotersSimulation {
  readonly #plan: Plan;
  readonly #logger: Logger;
  readonly #random: SeededRandom;
  readonly #clock = new SimulatedClock(epoch);
  readonly #network: VoterNetwork;
  readonly #checker = new SafetyChecker();
  readonly #history = new History();
  readonly #wanted = new Set<VoterId>();
  readonly #administrator: FakeAdministrator;
  readonly #clients: readonly FakeClient[];
  #voters: SimulatedVoter[] = [];
  #lastId = 0;
  #crashes = 0;
  #calm = false;

  constructor(plan: Plan, logger: Logger = silentLogger) {
    this.#plan = plan;
    this.#logger = logger;
    this.#random = new SeededRandom(plan.seed + 1);
    this.#network = new VoterNetwork(this.#clock, this.#random.fork(), quietWay);
    this.#administrator = new FakeAdministrator(this.#clock, () => this.#voters, this.#wanted);
    this.#clients = Array.from({ length: clientCount }, (_, at) => this.#client(`c${at}`));
  }

  /** @throws SimulationFailure when a rule was broken. */
  async run(): Promise<VotersReport> {
    let failed: unknown;
    const onRejection = (error: unknown): void => {
      failed ??= error;
    };
    process.on('unhandledRejection', onRejection);
    try {
      await this.#run(() => failed);
    } catch (error) {
      failed ??= error;
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    if (failed !== undefined) throw this.#failure(failed);
    return this.#report();
  }

  #recoveryMs = 0;

  async #run(failed: () => unknown): Promise<void> {
    this.#found();
    const broken = (): boolean => failed() !== undefined;
    for (const { atMs, action } of this.#plan.steps) {
      await this.#clock.run(atMs - this.#clock.monotonic(), broken);
      if (broken()) return;
      await this.#do(action);
    }
    await this.#clock.run(this.#plan.chaosMs - this.#clock.monotonic(), broken);
    if (broken()) return;
    await this.#recover(broken);
    for (const client of this.#clients) client.stop();
    if (!broken()) this.#checkHistory();
  }

  /** The voters of the beginning know each other. */
  #found(): void {
    const ids = Array.from({ length: this.#plan.voters }, () => this.#newId());
    const voters: Member[] = [];
    for (const id of ids) {
      const voter = this.#voter(id, () => ({ voters, learners: [] }));
      voters.push(voter.member);
      this.#voters.push(voter);
      this.#wanted.add(id);
    }
    for (const voter of this.#voters) voter.start();
    for (const client of this.#clients) client.start();
    this.#administrator.start();
  }

  async #recover(broken: () => boolean): Promise<void> {
    this.#calm = true;
    this.#network.heal();
    this.#network.faults = quietWay;
    for (const voter of this.#voters) {
      voter.writeMs = 0.5;
      voter.disk.acceptWrites();
      voter.clock.rate = 1;
    }
    const begin = this.#clock.monotonic();
    const before = this.#clients.map(({ acknowledged }) => acknowledged);
    const served = (): boolean =>
      this.#clients.every(
        (client, at) => client.acknowledged >= (before[at] ?? 0) + writesAfterwards,
      );
    const done = await this.#clock.run(recoveryMsMax, () => {
      if (broken()) return true;
      this.#tend();
      return served() && this.#administrator.settled && this.#agree();
    });
    this.#recoveryMs = this.#clock.monotonic() - begin;
    if (done) return;
    const states = this.#voters.map(describeVoter).join('; ');
    throw new SimulationFailure(
      `not recovered ${recoveryMsMax} ms after the faults stopped: ${states}`,
    );
  }

  /** Starts what is down; what is damaged or was removed makes room for a new voter. */
  #tend(): void {
    for (const voter of this.#voters) {
      if (voter.disk.crashed && this.#calm) voter.crash();
      if (voter.state === 'down' && this.#calm) voter.start();
      if (voter.state === 'damaged' && this.#wanted.has(voter.id)) this.#replace(voter);
    }
    const gone = this.#voters.filter(
      ({ id, state }) => !this.#wanted.has(id) && (state === 'removed' || state === 'damaged'),
    );
    for (const voter of gone) voter.crash();
    if (gone.length > 0) this.#voters = this.#voters.filter((voter) => !gone.includes(voter));
  }

  /** All voters that are wanted run and have applied the same. */
  #agree(): boolean {
    const wanted = this.#voters.filter(({ id }) => this.#wanted.has(id));
    const applied = new Set(wanted.map(({ node }) => node?.status.applied ?? -1));
    return applied.size === 1 && !applied.has(-1);
  }

  async #do(action: Action): Promise<void> {
    this.#tend();
    switch (action.kind) {
      case 'crash':
        this.#crash(this.#at(action.voter), action.downMs, action.tearing);
        return;
      case 'crash-all':
        for (const voter of this.#voters) this.#crash(voter, action.downMs, undefined);
        return;
      case 'isolate':
      case 'split':
      case 'cut-one-way':
        this.#cut(action);
        return;
      case 'bad-way':
        this.#network.faults = action.faults;
        this.#later(action.ms, () => {
          this.#network.faults = quietWay;
        });
        return;
      case 'full-disk': {
        const voter = this.#at(action.voter);
        voter?.disk.refuseWrites('ENOSPC');
        this.#later(action.ms, () => voter?.disk.acceptWrites());
        return;
      }
      case 'slow-disk': {
        const voter = this.#at(action.voter);
        if (voter !== undefined) voter.writeMs = action.writeMs;
        this.#later(action.ms, () => {
          if (voter !== undefined) voter.writeMs = 0.5;
        });
        return;
      }
      case 'rot':
        await this.#rot(action.voter, action.file, action.place);
        return;
      case 'skew': {
        const voter = this.#at(action.voter);
        if (voter === undefined) return;
        voter.clock.rate = action.rate;
        voter.clock.aheadMs = action.aheadMs;
        return;
      }
      case 'add':
        if (this.#wanted.size < votersMax) this.#add();
        return;
      case 'remove':
        this.#remove(action.voter);
        return;
      case 'transfer':
        void this.#administrator.leader()?.node?.transferLeadership(this.#at(action.voter)?.id);
    }
  }

  #crash(voter: SimulatedVoter | undefined, downMs: number, tearing: number | undefined): void {
    if (voter === undefined || voter.state === 'down') return;
    this.#crashes += 1;
    if (tearing === undefined) voter.crash();
    else {
      voter.disk.crashInWrite(tearing);
      this.#later(200, () => voter.crash());
    }
    this.#later(downMs + (tearing === undefined ? 0 : 200), () => voter.start());
  }

  #cut(action: Extract<Action, { kind: 'isolate' | 'split' | 'cut-one-way' }>): void {
    const ids = this.#voters.map(({ id }) => id);
    const cut = (from: VoterId | undefined, to: VoterId | undefined): void => {
      if (from !== undefined && to !== undefined) this.#network.cut(from, to);
    };
    if (action.kind === 'cut-one-way') cut(this.#at(action.from)?.id, this.#at(action.to)?.id);
    else if (action.kind === 'isolate') {
      const alone = this.#at(action.voter)?.id;
      for (const other of ids.filter((id) => id !== alone)) {
        if (action.direction !== 'out') cut(other, alone);
        if (action.direction !== 'in') cut(alone, other);
      }
    } else {
      const left = new Set(action.left.map((at) => this.#at(at)?.id));
      for (const a of ids)
        for (const b of ids) if (left.has(a) !== left.has(b)) this.#network.cut(a, b);
    }
    this.#later(action.ms, () => this.#network.heal());
  }

  /** One voter at a time may lose what it has: more can cost a quorum of copies. */
  async #rot(at: number, file: number, place: number): Promise<void> {
    const voter = this.#at(at);
    const members = this.#administrator.leader()?.node?.membership.voters ?? [];
    const whole = this.#voters.every(({ state }) => state !== 'damaged');
    if (voter === undefined || !whole || members.length < votersMin) return;
    if (!this.#administrator.settled) return;
    this.#crashes += 1;
    voter.crash();
    await voter.rot(file, place);
    voter.start();
  }

  #add(): void {
    const told = this.#administrator.leader()?.node?.membership.voters;
    if (told === undefined) return;
    const id = this.#newId();
    const voter = this.#voter(id, (member) => ({ voters: [...told], learners: [member] }));
    this.#voters.push(voter);
    this.#wanted.add(id);
    voter.start();
  }

  #remove(at: number): void {
    const voter = this.#at(at);
    if (voter === undefined || this.#wanted.size <= votersMin) return;
    this.#wanted.delete(voter.id);
  }

  /** As an operator does with a host whose disk is broken. */
  #replace(voter: SimulatedVoter): void {
    if (this.#administrator.leader() === undefined) return;
    this.#add();
    this.#wanted.delete(voter.id);
  }

  #later(ms: number, act: () => void): void {
    this.#clock.after(ms, () => {
      if (!this.#calm) act();
    });
  }

  #at(place: number): SimulatedVoter | undefined {
    const present = this.#voters.filter(({ id }) => this.#wanted.has(id));
    return present[place % Math.max(1, present.length)];
  }

  #newId(): VoterId {
    this.#lastId += 1;
    return this.#lastId as VoterId;
  }

  #voter(id: VoterId, told: (member: Member) => Membership): SimulatedVoter {
    return new SimulatedVoter(id, told, {
      clock: this.#clock,
      random: this.#random.fork(),
      network: this.#network,
      logger: this.#logger,
      checker: this.#checker,
      options: this.#plan.seed % 2 === 0 ? options : { ...options, readLeaseMs },
      machine: () => new ListMachine(() => undefined),
    });
  }

  #client(name: string): FakeClient {
    return new FakeClient({
      name,
      clock: this.#clock,
      random: this.#random.fork(),
      history: this.#history,
      voters: () => this.#voters,
    });
  }

  #checkHistory(): void {
    const list = this.#applied('normal').map(({ data }) => new TextDecoder().decode(data));
    const problem = contradiction(this.#history.operations, list);
    if (problem !== undefined) throw new SimulationFailure(problem);
    for (const { machine, id } of this.#voters) {
      if (!this.#wanted.has(id) || machine === undefined) continue;
      const differs = machine.values.findIndex((value, at) => value !== list[at]);
      if (differs >= 0) throw new SimulationFailure(`voter ${id} has another value ${differs}`);
    }
  }

  #applied(kind: Entry['kind']): readonly Entry[] {
    return this.#checker.history.filter((entry) => entry.kind === kind);
  }

  #failure(error: unknown): SimulationFailure {
    const message = error instanceof Error ? error.message : String(error);
    const at = this.#clock.monotonic().toFixed(1);
    return new SimulationFailure(`seed=${this.#plan.seed}, at ${at} ms: ${message}`, {
      cause: error,
    });
  }

  #report(): VotersReport {
    const terms = new Set(this.#checker.history.map(({ term }) => term)).size;
    return {
      seed: this.#plan.seed,
      simulatedMs: Math.round(this.#clock.monotonic()),
      operations: this.#history.operations.length,
      acknowledged: this.#clients.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
      terms,
      crashes: this.#crashes,
      membershipChanges: this.#applied('membership').length,
      recoveryMs: Math.round(this.#recoveryMs),
    };
  }
}

function describeVoter({ id, state, node }: SimulatedVoter): string {
  if (node === undefined) return `${id} ${state}`;
  const { role, term, committed, applied, last } = node.status;
  return `${id} ${state} ${role} term=${term} committed=${committed} applied=${applied} last=${last}`;
}
