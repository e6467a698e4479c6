import { createAllocator } from '@shoal/allocator';
import { createOrchestrator } from '@shoal/orchestrator';
import { type HostPort, type Logger, type LogIndex, newId, silentLogger } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import {
  controlParts,
  FakeUser,
  GossipWire,
  SeededRandom,
  SimulatedClock,
  SimulatedNetwork,
  SimulatedProcess,
  SimulatedVoter,
  simulatedCluster,
  simulatedEpoch,
  simulatedNode,
  startStage,
} from '@shoal/sim';
import { RemoteReplica, type Stage, type StageName } from '@shoal/stage';
import type { Change, Cluster, StateView } from '@shoal/state';
import { differences, impliedText } from './differences.ts';
import { DispatcherRole, fakeSeal } from './dispatcher-role.ts';
import type { NetworksAction, NetworksPlan } from './plan.ts';
import { SimulatedHost } from './simulated-host.ts';
import { changeSpec, drawSpec, simulatedNetworks } from './specs.ts';

export interface NetworksReport {
  readonly seed: number;
  readonly hosts: number;
  /** From when the log was at rest until every host served what it implies, simulated milliseconds. */
  readonly recoveryMs: number;
  /** Endpoints that are served in the end, over all networks. */
  readonly served: number;
  readonly agentCrashes: number;
  readonly powerCuts: number;
  readonly processCrashes: number;
  readonly splits: number;
  readonly rotations: number;
  readonly repairs: number;
}

/** After silence everything must be right within this, simulated milliseconds. */
export const recoveryMsMax = 10_000;
/** By then the log must be at rest, simulated milliseconds. */
const restMsMax = 180_000;
const lookMs = 100;
const startMs = 8_000;
const keysMax = 3;
const gossipPort = 7_946;
const serviceNames = ['alpha', 'bravo', 'charlie', 'delta'] as const;
const lateMs = 400;

/** A process of the control plane that is killed and started again. */
interface Role {
  readonly name: string;
  readonly start: () => void;
  readonly kill: () => boolean;
}

/** The gossip, the records, the truth check and all stages together, over networks that fail as the plan says. */
export class NetworksSimulation {
  readonly #plan: NetworksPlan;
  readonly #logger: Logger;
  readonly #random: SeededRandom;
  readonly #clock = new SimulatedClock(simulatedEpoch);
  readonly #network: SimulatedNetwork;
  readonly #wire: GossipWire;
  readonly #voter: SimulatedVoter;
  readonly #hosts: SimulatedHost[] = [];
  readonly #dispatchers: DispatcherRole[] = [];
  readonly #roles: Role[] = [];
  readonly #user: FakeUser;
  readonly #replica: RemoteReplica;
  readonly #isolated = new Set<string>();
  readonly #sides = new Map<string, number>();
  readonly #fatal: string[] = [];
  readonly #counts = { agentCrashes: 0, powerCuts: 0, processCrashes: 0, splits: 0, rotations: 0 };
  #repairs = 0;
  #splits = 0;

  /** `sabotage` may break a host, to see that it is found out. */
  constructor(
    plan: NetworksPlan,
    logger: Logger = silentLogger,
    sabotage: (host: SimulatedHost) => void = () => undefined,
  ) {
    this.#plan = plan;
    this.#logger = logger;
    this.#random = new SeededRandom(plan.seed + 1);
    const quiet = { delayMsMin: 0.1, delayMsMax: 8, loss: 0 };
    this.#network = new SimulatedNetwork(this.#clock, this.#random.fork(), quiet);
    this.#wire = new GossipWire(this.#clock, this.#random.fork());
    this.#voter = new SimulatedVoter({
      ...{ clock: this.#clock, random: this.#random.fork(), network: this.#network, logger },
      onApplied: () => undefined,
    });
    const process = new SimulatedProcess('user', this.#clock, this.#random.fork());
    this.#replica = new RemoteReplica({
      client: () => this.#voter.clientFor(process),
      ...{ follower: process.name, clock: process.clock, random: process.random, logger },
    });
    this.#user = new FakeUser(process, this.#replica);
    for (let at = 0; at < plan.hosts; at += 1) sabotage(this.#addHost(at));
    for (let at = 0; at < plan.dispatchers; at += 1) this.#addDispatcher(at);
    this.#addStage('orchestrator', createOrchestrator);
    this.#addStage('allocator', createAllocator);
    this.#addStage('scheduler', createScheduler);
  }

  /** @throws what was wrong, as an error. */
  async run(): Promise<NetworksReport> {
    const { seed, hosts, chaosMs, steps } = this.#plan;
    await this.#start();
    for (const { atMs, action } of steps) this.#clock.after(atMs, () => this.#act(action));
    await this.#clock.run(chaosMs);
    this.#silence();
    const recoveryMs = await this.#recover();
    if (this.#fatal.length > 0) throw new Error(this.#fatal.join('\n'));
    const served = this.#served();
    return { seed, hosts, recoveryMs, served, repairs: this.#repairs, ...this.#counts };
  }

  get #view(): StateView {
    const { view } = this.#voter;
    if (view === undefined) throw new Error('there is no log');
    return view;
  }

  async #start(): Promise<void> {
    let isUp = false;
    void this.#voter.start().then(() => {
      isUp = true;
    });
    await this.#clock.run(startMs, () => isUp);
    await this.#createSwarm();
    for (const role of this.#roles) role.start();
    for (const host of this.#hosts) host.start();
    await this.#clock.run(startMs);
  }

  async #createSwarm(): Promise<void> {
    const { spec } = simulatedCluster;
    // As a swarm has it when nobody says otherwise.
    const dispatcher = { HeartbeatPeriod: 5e9 };
    const object: Cluster = { ...simulatedCluster, spec: { ...spec, Dispatcher: dispatcher } };
    const changes: Change[] = [{ op: 'create', table: 'cluster', object }];
    for (const { nodeId } of this.#hosts)
      changes.push({ op: 'create', table: 'node', object: simulatedNode(nodeId, {}) });
    for (const network of simulatedNetworks())
      changes.push({ op: 'create', table: 'network', object: network });
    let isDone = false;
    void this.#write(changes).then(() => {
      isDone = true;
    });
    await this.#clock.run(startMs, () => isDone);
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const decidedAt = (this.#replica.ready ? this.#replica.view.index : 0) as LogIndex;
    const actor = { kind: 'user', name: 'fake' } as const;
    const id = newId(this.#random);
    await this.#replica.propose([{ id, actor, reason: 'a user asked', decidedAt, changes }]);
  }

  #addHost(number: number): SimulatedHost {
    const random = this.#random.fork();
    const addr: HostPort = { host: `192.0.2.${number + 1}`, port: gossipPort };
    const host = new SimulatedHost({
      ...{ number, nodeId: newId(random), addr, clock: this.#clock, random },
      ...{ wire: this.#wire, logger: this.#logger },
      pulse: (to) => this.#answers(host, to),
      dispatcher: (agent) => {
        const up = this.#dispatchers.filter(({ alive }) => alive);
        const isCut = (): boolean => this.#isolated.has(agent.name);
        return random.pick(up)?.client(agent, { nodeId: host.nodeId, addr }, isCut);
      },
    });
    this.#hosts.push(host);
    return host;
  }

  /** Whether the machine's kernel is there for `from`. */
  #answers(from: SimulatedHost, { host: addr }: HostPort): boolean {
    const to = this.#hosts.find((each) => each.addr.host === addr);
    if (to?.hasPower !== true) return false;
    const side = ({ nodeId }: SimulatedHost): number => this.#sides.get(nodeId) ?? 0;
    return side(from) === side(to);
  }

  #addDispatcher(at: number): void {
    const manager = this.#hosts[at];
    if (manager === undefined) return;
    const { addr } = manager;
    const role = new DispatcherRole({
      ...{ name: `dispatcher-${at}`, addr, clock: this.#clock },
      ...{ random: this.#random.fork(), network: this.#network, voter: this.#voter },
      logger: this.#countingRepairs(),
    });
    this.#dispatchers.push(role);
    this.#roles.push({ name: role.name, start: () => role.start(), kill: () => role.kill() });
  }

  #countingRepairs(): Logger {
    const logger = this.#logger;
    const warn = (...said: Parameters<Logger['warn']>): void => {
      if (said[1] === 'network_repaired') this.#repairs += 1;
      logger.warn(...said);
    };
    return Object.assign(Object.create(logger), { warn }) as Logger;
  }

  #addStage(name: StageName, create: () => Stage): void {
    let process: SimulatedProcess | undefined;
    const random = this.#random.fork();
    this.#roles.push({
      name,
      start: () => {
        if (process?.alive === true) return;
        process = new SimulatedProcess(name, this.#clock, random.fork());
        const parts = controlParts(process, this.#voter, name, this.#logger);
        startStage(parts, create(), (error) => this.#fatal.push(`${name}: ${String(error)}`));
      },
      kill: () => {
        if (process?.alive !== true) return false;
        process.kill();
        return true;
      },
    });
  }

  #act(action: NetworksAction): void {
    switch (action.kind) {
      case 'create':
      case 'update':
      case 'scale':
      case 'remove':
        void this.#ask(action);
        return;
      case 'crash-process':
      case 'delay-process':
        this.#actOnProcess(action);
        return;
      case 'split':
        this.#split(action.sides, action.ms);
        return;
      case 'faults':
        this.#wire.faults = action.faults;
        this.#clock.after(action.ms, () => this.#calm());
        return;
      case 'rotate-keys':
        void this.#rotate();
        return;
      default:
        this.#actOnHost(action);
    }
  }

  async #ask(
    action: NetworksAction & { readonly kind: 'create' | 'update' | 'scale' | 'remove' },
  ): Promise<void> {
    const user = this.#user;
    const name = serviceNames[action.service % serviceNames.length] ?? 'alpha';
    const service = user.serviceOf(name);
    if (action.kind === 'create') {
      if (service === undefined)
        await user.create(name, drawSpec(new SeededRandom(action.draw), name));
      return;
    }
    const spec = service && user.specOf(service);
    if (service === undefined || spec === undefined) return;
    if (action.kind === 'remove') await user.remove(service);
    else if (action.kind === 'update')
      await user.update(service, changeSpec(new SeededRandom(action.draw), spec, name));
    else if (spec.Mode.Replicated !== undefined)
      await user.update(service, { ...spec, Mode: { Replicated: { Replicas: action.to } } });
  }

  #actOnProcess({
    kind,
    process,
    ms,
  }: NetworksAction & { readonly kind: 'crash-process' | 'delay-process' }): void {
    const role = this.#roles[process % this.#roles.length];
    if (role === undefined) return;
    if (kind === 'crash-process') {
      if (!role.kill()) return;
      this.#counts.processCrashes += 1;
      this.#clock.after(ms, () => role.start());
    } else {
      this.#network.delay(role.name, lateMs);
      this.#clock.after(ms, () => this.#network.delay(role.name, 0));
    }
  }

  #actOnHost(action: NetworksAction & { readonly host: number }): void {
    const host = this.#hosts[action.host % this.#hosts.length];
    if (host === undefined) return;
    switch (action.kind) {
      case 'kill-container':
        host.engine.killOne();
        return;
      case 'drain-node':
        void this.#user.changeNode(host.nodeId, { Availability: 'drain' });
        this.#clock.after(action.ms, () => this.#activate(host));
        return;
      case 'crash-agent':
        if (!host.crashAgent()) return;
        this.#counts.agentCrashes += 1;
        this.#clock.after(action.ms, () => host.start());
        return;
      case 'lose-power':
        this.#counts.powerCuts += 1;
        host.losePower();
        this.#clock.after(action.ms, () => host.start());
        return;
      case 'crash-consumer':
        host.crashConsumer(action.which);
        return;
      case 'break-kernel':
        host.kernel.isBroken = true;
        this.#clock.after(action.ms, () => {
          host.kernel.isBroken = false;
        });
        return;
      case 'isolate':
        this.#isolate(host, action.ms);
        return;
      case 'break-streams':
        host.breakStreams();
        return;
      case 'slow':
        host.socket.lagMs = action.lagMs;
        this.#clock.after(action.ms, () => {
          host.socket.lagMs = 0;
        });
        return;
      default:
        return;
    }
  }

  #activate(host: SimulatedHost): void {
    void this.#user.changeNode(host.nodeId, { Availability: 'active' });
  }

  #isolate(host: SimulatedHost, ms: number): void {
    const name = host.agentName;
    this.#isolated.add(name);
    this.#network.cut(name);
    this.#clock.after(ms, () => this.#reconnect(host));
  }

  /** What was lost meanwhile is missing in streams: no connection lives on over that. */
  #reconnect(host: SimulatedHost): void {
    const name = host.agentName;
    if (!this.#isolated.delete(name)) return;
    this.#network.heal(name);
    host.breakStreams();
  }

  #split(sides: readonly number[], ms: number): void {
    this.#counts.splits += 1;
    this.#splits += 1;
    const latest = this.#splits;
    for (const [at, host] of this.#hosts.entries()) this.#sides.set(host.nodeId, sides[at] ?? 0);
    const side = (wanted: number): readonly string[] =>
      [...this.#sides].flatMap(([id, on]) => (on === wanted ? id : []));
    this.#wire.split([side(0), side(1)]);
    this.#clock.after(ms, () => {
      if (latest === this.#splits) this.#heal();
    });
  }

  #heal(): void {
    this.#sides.clear();
    this.#wire.split([]);
  }

  #calm(): void {
    this.#wire.faults = { delayMsMax: 5, loss: 0, duplication: 0 };
  }

  /** The managers make another key before its time. */
  async #rotate(): Promise<void> {
    const { cluster } = this.#replica.view;
    const [newest] = cluster?.networkKeys?.keys ?? [];
    if (cluster?.networkKeys === undefined || newest === undefined) return;
    this.#counts.rotations += 1;
    const time = newest.time + 1;
    const key = fakeSeal.seal(this.#random.bytes(32), `cluster/network-key/${time}`);
    const keys = [{ key, time }, ...cluster.networkKeys.keys].slice(0, keysMax);
    const networkKeys = { keys, rotatedAt: this.#clock.now() };
    await this.#write([{ op: 'update', table: 'cluster', object: { ...cluster, networkKeys } }]);
  }

  /** Nothing goes wrong from now on, and everything runs. */
  #silence(): void {
    this.#calm();
    this.#heal();
    for (const role of this.#roles) {
      this.#network.delay(role.name, 0);
      role.start();
    }
    for (const host of this.#hosts) {
      this.#reconnect(host);
      host.socket.lagMs = 0;
      host.kernel.isBroken = false;
      host.start();
      this.#activate(host);
    }
  }

  /** Milliseconds from when the log was at rest. */
  async #recover(): Promise<number> {
    const begin = this.#clock.monotonic();
    let text = '';
    let restsSince: number = begin;
    let rightSince: number = begin;
    while (this.#clock.monotonic() - begin < restMsMax && this.#fatal.length === 0) {
      const now = this.#clock.monotonic();
      const implied = impliedText(this.#view, this.#hosts);
      if (implied !== text) restsSince = now;
      text = implied;
      const wrong = differences(this.#view, this.#hosts);
      if (wrong.length > 0) rightSince = now + lookMs;
      if (now - restsSince >= recoveryMsMax) {
        if (wrong.length > 0) throw new Error(this.#wrong(wrong));
        return Math.max(0, rightSince - restsSince);
      }
      await this.#clock.run(lookMs);
    }
    throw new Error(this.#wrong(['the log does not come to rest']));
  }

  #wrong(differing: readonly string[]): string {
    const lost = this.#hosts.flatMap(({ hasSession, agentName }) => (hasSession ? [] : agentName));
    const drift = this.#dispatchers.flatMap(({ core, name }) =>
      (core?.networks.verify('') ?? []).flatMap(({ nodeId, networks }) =>
        networks.flatMap(({ networkId, differsMs, repairs }) => {
          const host = this.#hosts.find((each) => each.nodeId === nodeId)?.agentName ?? nodeId;
          return differsMs === 0
            ? []
            : `${name}: ${host} differs in ${networkId} for ${differsMs} ms, ${repairs} repairs`;
        }),
      ),
    );
    const sessions = lost.length === 0 ? [] : [`without a session: ${lost.join(', ')}`];
    return [
      `seed=${this.#plan.seed}: wrong ${recoveryMsMax} ms after the log was at rest`,
      ...[...differing, ...sessions, ...drift],
    ].join('\n  ');
  }

  #served(): number {
    const view = this.#view;
    return [...view.tasks.values()].filter(({ status }) => status.state === 'running').length;
  }
}
