import { type Instant, type Logger, type LogIndex, newId } from '@shoal/runtime';
import { RemoteReplica, type Stage, type StageName } from '@shoal/stage';
import type { Change, Cluster, Meta, Node, NodeDescription, StateView } from '@shoal/state';
import { crowdedSlots, unconverged } from './checks.ts';
import { SimulatedClock } from './clock.ts';
import { FakeAgent, type SessionPeer } from './fake-agent.ts';
import { SimulatedNetwork } from './network.ts';
import { SimulatedProcess } from './process.ts';
import { SeededRandom } from './random.ts';
import { controlParts, type DispatcherFactory, startStage } from './stage-process.ts';
import { FakeUser } from './user.ts';
import { SimulatedVoter } from './voter.ts';

export interface ClusterOptions {
  readonly seed: number;
  /** Makes a fresh stage for each process that starts. */
  readonly stages: Readonly<Record<Exclude<StageName, 'dispatcher'>, () => Stage>>;
  readonly dispatcher: DispatcherFactory;
  /** Processes per stage. */
  readonly replicas: number;
  readonly agents: number;
  readonly logger: Logger;
}

/** What a run did, for the record. */
export interface Report {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly entries: number;
  readonly crashes: number;
  readonly requests: number;
}

/** A process that the simulation kills and starts again. */
interface Role {
  readonly name: string;
  process: SimulatedProcess | undefined;
  start(): void;
}

const epoch = Date.UTC(2026, 0, 1) as Instant;
const noMeta: Meta = { version: 0 as LogIndex, createdAt: epoch, updatedAt: epoch };
const restartMsMax = 4_000;
const convergenceMsMax = 20 * 60_000;

/**
 * A whole control plane in one process, in simulated time: the real log, service, replicas, leases,
 * stages and dispatchers, with fake agents and fake users. First everything goes wrong, in an order drawn
 * from the seed (safety); then nothing does, and all must end as asked (liveness).
 */
export class SimulatedCluster {
  readonly #options: ClusterOptions;
  readonly #random: SeededRandom;
  readonly #clock = new SimulatedClock(epoch);
  readonly #network: SimulatedNetwork;
  readonly #voter: SimulatedVoter;
  readonly #roles: Role[] = [];
  readonly #agents: FakeAgent[] = [];
  readonly #user: FakeUser;
  readonly #violations: string[] = [];
  #dispatchers: ReturnType<DispatcherFactory>[] = [];
  #failureRate = 0.02;
  #voterUp = false;
  #crashes = 0;
  #requests = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const faults = { delayMsMin: 0.1, delayMsMax: 8, loss: 0 };
    this.#network = new SimulatedNetwork(this.#clock, this.#random.fork(), faults);
    this.#voter = new SimulatedVoter({
      clock: this.#clock,
      random: this.#random.fork(),
      network: this.#network,
      logger: options.logger,
      onApplied: (view) => this.#check(view),
    });
    const user = new SimulatedProcess('user', this.#clock, this.#random.fork());
    const { clock, random } = user;
    const client = () => this.#voter.clientFor(user);
    const { logger } = options;
    this.#user = new FakeUser(
      user,
      new RemoteReplica({ client, follower: 'user', clock, random, logger }),
    );
    this.#addRoles();
    this.#addAgents();
  }

  /** @throws when a rule was broken or the cluster did not converge; the message names the seed. */
  async run(chaosMs: number): Promise<Report> {
    await this.#startAll();
    await this.#chaos(chaosMs);
    this.#failureRate = 0;
    for (const role of this.#roles) if (!role.process?.alive) role.start();
    for (const agent of this.#agents) {
      agent.reconnect();
      agent.start();
    }
    if (!this.#voterUp) await this.#startVoter();
    await this.#clock.run(convergenceMsMax, () => this.#open().length === 0);
    // It must also stay so: whatever was on its way arrives within the longest delay of the rules.
    await this.#clock.run(60_000);
    this.#violations.push(...this.#open());
    if (this.#violations.length > 0) throw new Error(this.#failure());
    return {
      seed: this.#options.seed,
      simulatedMs: this.#clock.monotonic(),
      entries: this.#voter.view?.index ?? 0,
      crashes: this.#crashes,
      requests: this.#requests,
    };
  }

  #open(): readonly string[] {
    const view = this.#voter.view;
    return view === undefined ? ['no log'] : unconverged(view, this.#agents, this.#user);
  }

  #failure(): string {
    const said = [...new Set(this.#violations)].slice(0, 10).join('\n  ');
    return `seed=${this.#options.seed}: after ${this.#clock.monotonic()} ms\n  ${said}`;
  }

  #check(view: StateView): void {
    this.#violations.push(...crowdedSlots(view));
  }

  async #startAll(): Promise<void> {
    await this.#startVoter();
    await this.#createSwarm();
    for (const role of this.#roles) role.start();
    for (const agent of this.#agents) agent.start();
    await this.#clock.run(5_000);
  }

  async #startVoter(): Promise<void> {
    this.#voterUp = true;
    let started = false;
    void this.#voter.start().then(() => {
      started = true;
    });
    await this.#clock.run(10_000, () => started);
  }

  async #createSwarm(): Promise<void> {
    const changes: Change[] = [{ op: 'create', table: 'cluster', object: cluster }];
    for (const agent of this.#agents)
      changes.push({ op: 'create', table: 'node', object: nodeOf(agent.nodeId) });
    const process = new SimulatedProcess('init', this.#clock, this.#random.fork());
    const { clock, random } = process;
    const client = () => this.#voter.clientFor(process);
    const { logger } = this.#options;
    const replica = new RemoteReplica({ client, follower: 'init', clock, random, logger });
    const actor = { kind: 'user', name: 'docker swarm init' } as const;
    const decidedAt = 0 as LogIndex;
    const id = newId(random);
    const proposed = replica.propose([{ id, actor, reason: 'init', decidedAt, changes }]);
    let outcome: string | undefined;
    void proposed.then((result) => {
      outcome = result.kind === 'applied' ? JSON.stringify(result.outcomes) : result.message;
    });
    await this.#clock.run(10_000, () => outcome !== undefined);
    if (!outcome?.includes('committed')) throw new Error(`the swarm was not created: ${outcome}`);
    process.kill();
  }

  async #chaos(durationMs: number): Promise<void> {
    const end = this.#clock.monotonic() + durationMs;
    while (this.#clock.monotonic() < end && this.#violations.length === 0) {
      await this.#clock.run(this.#random.between(10, 3_000));
      await this.#mischief();
    }
  }

  async #mischief(): Promise<void> {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.5) {
      this.#requests += 1;
      // Answered when the clock goes on.
      void this.#user.act();
    } else if (kind < 0.65) this.#crash(random.pick(this.#roles));
    else if (kind < 0.7) await this.#crashVoter();
    else if (kind < 0.8) random.pick(this.#agents)?.killOne();
    else if (kind < 0.9) this.#interrupt((agent) => agent.crash(), restartMsMax);
    else if (kind < 0.95) this.#interrupt((agent) => agent.losePower(), 60_000);
    else this.#partition();
  }

  #crash(role: Role | undefined): void {
    if (!role?.process?.alive) return;
    this.#crashes += 1;
    role.process.kill();
    this.#clock.after(this.#random.between(0, restartMsMax), () => {
      if (!role.process?.alive) role.start();
    });
  }

  async #crashVoter(): Promise<void> {
    this.#crashes += 1;
    this.#voter.crash();
    this.#voterUp = false;
    await this.#clock.run(this.#random.between(0, restartMsMax));
    await this.#startVoter();
  }

  #interrupt(stop: (agent: FakeAgent) => void, backMsMax: number): void {
    const agent = this.#random.pick(this.#agents);
    if (agent === undefined) return;
    this.#crashes += 1;
    stop(agent);
    this.#clock.after(this.#random.between(0, backMsMax), () => agent.start());
  }

  #partition(): void {
    const agent = this.#random.pick(this.#agents);
    if (agent === undefined) return;
    agent.isolate();
    this.#clock.after(this.#random.between(100, 60_000), () => agent.reconnect());
  }

  #addRoles(): void {
    const { stages, replicas, logger } = this.#options;
    for (const stage of ['orchestrator', 'allocator', 'scheduler'] as const) {
      for (let instance = 0; instance < replicas; instance++) {
        this.#addRole(`${stage}-${instance}`, (process) => {
          const onFatal = (error: unknown): void => {
            this.#violations.push(`${process.name} failed: ${String(error)}`);
          };
          const parts = controlParts(process, this.#voter, stage, logger);
          startStage(parts, stages[stage](), onFatal);
        });
      }
    }
    for (let instance = 0; instance < replicas; instance++) {
      this.#addRole(`dispatcher-${instance}`, (process) => {
        const parts = controlParts(process, this.#voter, 'dispatcher', logger);
        const dispatcher = this.#options.dispatcher(parts);
        const alive: typeof dispatcher = {
          open: (session, network) =>
            process.alive ? dispatcher.open(session, network) : undefined,
        };
        this.#dispatchers[instance] = alive;
      });
    }
  }

  #addRole(name: string, begin: (process: SimulatedProcess) => void): void {
    const role: Role = {
      name,
      process: undefined,
      start: () => {
        role.process = new SimulatedProcess(name, this.#clock, this.#random.fork());
        begin(role.process);
      },
    };
    this.#roles.push(role);
  }

  #addAgents(): void {
    for (let number = 0; number < this.#options.agents; number++) {
      const random = this.#random.fork();
      this.#agents.push(
        new FakeAgent({
          nodeId: newId(random),
          address: `10.0.0.${number + 1}`,
          description: descriptionOf(`host-${number}`),
          clock: this.#clock,
          random,
          network: this.#network,
          open: (session): SessionPeer | undefined =>
            random.pick(this.#dispatchers)?.open(session, this.#network),
          failureRate: () => this.#failureRate,
        }),
      );
    }
  }
}

function descriptionOf(hostname: string): NodeDescription {
  return {
    Hostname: hostname,
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: { NanoCPUs: 4_000_000_000, MemoryBytes: 2 ** 30 },
    Engine: { EngineVersion: 'fake', Plugins: [] },
  };
}

function nodeOf(id: string): Node {
  return {
    id,
    meta: noMeta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
}

const cluster: Cluster = {
  id: 'simulated',
  meta: noMeta,
  spec: {
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 2 },
    Raft: {
      SnapshotInterval: 10_000,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 500,
      ElectionTick: 10,
      HeartbeatTick: 1,
    },
    Dispatcher: { HeartbeatPeriod: 1_000_000_000 },
    CAConfig: { NodeCertExpiry: 7_776_000_000_000_000 },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  },
  rootCa: { certificate: '', key: { sealed: '' } },
  joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
  defaultAddressPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4789,
};
