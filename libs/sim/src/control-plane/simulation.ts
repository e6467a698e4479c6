import { type Logger, type LogIndex, newId, silentLogger } from '@shoal/runtime';
import { RemoteReplica } from '@shoal/stage';
import type { Change, StateView } from '@shoal/state';
import { SimulatedClock } from '../clock.ts';
import { FakeAgent } from '../fake-agent.ts';
import { SimulatedNetwork } from '../network.ts';
import { SimulatedProcess } from '../process.ts';
import { SeededRandom } from '../random.ts';
import { SimulatedVoter } from '../voter.ts';
import { cluster, epoch, nodeOf } from './genesis.ts';
import { unconverged } from './liveness.ts';
import { type ControlPlaneParts, stageNames } from './parts.ts';
import { type Action, hostsMax, type Plan } from './plan.ts';
import { Roles } from './roles.ts';
import { SafetyCheck, type Seen } from './safety.ts';
import { changeSpec, drawHost, drawNodeLabels, drawSpec, isBusy, loads } from './specs.ts';
import { FakeUser } from './user.ts';

/** What a run did, for the record. */
export interface ControlPlaneReport extends Seen {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly entries: number;
  readonly crashes: number;
  readonly updates: number;
  readonly rollbacksByHand: number;
  /** From the faults' end until all was as asked for, simulated milliseconds. */
  readonly recoveryMs: number;
}

/** A rule was broken; the message says which, and when. */
class ControlPlaneFailure extends Error {
  override readonly name = 'ControlPlaneFailure';
}

const names = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot'];
/** The faults have stopped: by then all must be as asked. A minute of it may be waiting for a stop. */
const recoveryMsMax = 8 * 60_000;
/** It must stay so: whatever was on its way arrives within that time. */
const calmMs = 15_000;
const pollMs = 500;
const failureRate = 0.02;
const violationsShownMax = 10;

/**
 * A whole control plane in one process, in simulated time, under one plan: the real log, service, replicas,
 * leases, stages and dispatchers, with fake hosts and users. First everything goes wrong (safety is
 * checked at every state of the log), then nothing does, and all must end as asked (liveness).
 */
export class ControlPlaneSimulation {
  readonly #plan: Plan;
  readonly #parts: ControlPlaneParts;
  readonly #logger: Logger;
  readonly #random: SeededRandom;
  readonly #clock = new SimulatedClock(epoch);
  readonly #network: SimulatedNetwork;
  readonly #voter: SimulatedVoter;
  readonly #roles: Roles;
  readonly #hosts: FakeAgent[] = [];
  readonly #user: FakeUser;
  readonly #safety = new SafetyCheck();
  #failureRate = failureRate;
  #voterUp = false;
  #crashes = 0;
  #hostsMade = 0;
  #recoveryMs = 0;

  constructor(plan: Plan, parts: ControlPlaneParts, logger: Logger = silentLogger) {
    this.#plan = plan;
    this.#parts = parts;
    this.#logger = logger;
    this.#random = new SeededRandom(plan.seed + 1);
    const quiet = { delayMsMin: 0.1, delayMsMax: 8, loss: 0 };
    this.#network = new SimulatedNetwork(this.#clock, this.#random.fork(), quiet);
    this.#voter = new SimulatedVoter({
      clock: this.#clock,
      random: this.#random.fork(),
      network: this.#network,
      logger,
      onApplied: (view) => this.#safety.look(view, this.#clock.now()),
    });
    const process = new SimulatedProcess('user', this.#clock, this.#random.fork());
    this.#user = new FakeUser(process, this.#replicaOf(process));
    this.#roles = new Roles({
      parts,
      plan,
      logger,
      clock: this.#clock,
      random: this.#random.fork(),
      network: this.#network,
      voter: this.#voter,
      onFatal: (what) => this.#safety.violations.push(what),
    });
  }

  get view(): StateView | undefined {
    return this.#voter.view;
  }

  /** @throws ControlPlaneFailure when a rule was broken or all was not as asked in time. */
  async run(): Promise<ControlPlaneReport> {
    await this.#startAll();
    const begin = this.#clock.monotonic();
    for (const { atMs, action } of this.#plan.steps) {
      await this.#clock.run(begin + atMs - this.#clock.monotonic());
      if (this.#isBroken) break;
      await this.#do(action);
    }
    if (!this.#isBroken) await this.#recover();
    if (this.#isBroken) throw this.#failure();
    return {
      seed: this.#plan.seed,
      simulatedMs: this.#clock.monotonic(),
      entries: this.#voter.view?.index ?? 0,
      crashes: this.#crashes,
      updates: this.#user.counts.updates,
      rollbacksByHand: this.#user.counts.rollbacks,
      recoveryMs: this.#recoveryMs,
      ...this.#safety.seen,
    };
  }

  get #isBroken(): boolean {
    return this.#safety.violations.length > 0;
  }

  #failure(): ControlPlaneFailure {
    const { violations } = this.#safety;
    const said = [...new Set(violations)].slice(0, violationsShownMax).join('\n  ');
    const { seed } = this.#plan;
    return new ControlPlaneFailure(
      `seed=${seed}: after ${Math.round(this.#clock.monotonic())} ms\n  ${said}`,
    );
  }

  async #startAll(): Promise<void> {
    await this.#startVoter();
    const random = this.#random.fork();
    for (let at = 0; at < this.#plan.hosts; at += 1) this.#addHost(random);
    await this.#createSwarm(random);
    this.#roles.startAll();
    for (const host of this.#hosts) host.start();
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

  async #createSwarm(random: SeededRandom): Promise<void> {
    const changes: Change[] = [{ op: 'create', table: 'cluster', object: cluster }];
    for (const { nodeId } of this.#hosts)
      changes.push({ op: 'create', table: 'node', object: nodeOf(nodeId, drawNodeLabels(random)) });
    const process = new SimulatedProcess('init', this.#clock, this.#random.fork());
    const actor = { kind: 'user', name: 'docker swarm init' } as const;
    const id = newId(process.random);
    const transaction = { id, actor, reason: 'init', decidedAt: 0 as LogIndex, changes };
    let outcome = '';
    void this.#replicaOf(process)
      .propose([transaction])
      .then((result) => {
        outcome = JSON.stringify(result);
      });
    await this.#clock.run(10_000, () => outcome !== '');
    if (!outcome.includes('committed')) this.#safety.violations.push(`no swarm: ${outcome}`);
    process.kill();
  }

  #replicaOf(process: SimulatedProcess): RemoteReplica {
    const { clock, random, name } = process;
    const client = () => this.#voter.clientFor(process);
    return new RemoteReplica({ client, follower: name, clock, random, logger: this.#logger });
  }

  async #recover(): Promise<void> {
    this.#failureRate = 0;
    await this.#clock.run(20_000);
    this.#roles.startAll();
    for (const host of this.#hosts) {
      host.reconnect();
      host.start();
    }
    if (!this.#voterUp) await this.#startVoter();
    const begin = this.#clock.monotonic();
    const open = await this.#until(() => this.#open());
    this.#recoveryMs = Math.round(this.#clock.monotonic() - begin);
    if (open.length === 0) {
      await this.#clock.run(calmMs);
      open.push(...(await this.#until(() => this.#open())));
      open.push(...(await this.#until(() => this.#overlooked())));
    }
    this.#safety.violations.push(...open);
  }

  /** Waits until nothing is in the way; what is when the time is over is returned. */
  async #until(open: () => readonly string[]): Promise<string[]> {
    const end = this.#clock.monotonic() + recoveryMsMax;
    let left = open();
    while (left.length > 0 && this.#clock.monotonic() < end && !this.#isBroken) {
      await this.#clock.run(pollMs);
      left = open();
    }
    return [...left];
  }

  #open(): readonly string[] {
    const view = this.#voter.view;
    return view === undefined
      ? ['no log']
      : unconverged(view, this.#hosts, this.#user, this.#clock.now());
  }

  /** What fresh stages, which look at everything, would do and those that run did not. */
  #overlooked(): readonly string[] {
    const view = this.#voter.view;
    if (view === undefined) return ['no log'];
    const everything = { everything: true, changes: [], due: new Set<string>() };
    return stageNames.flatMap((name) => {
      const stage = this.#parts.stages[name]();
      const decisions = [...stage.step(view, everything, this.#clock.now(), () => true)];
      return decisions.flatMap((decision) =>
        decision.kind === 'transaction' ? [`${name} overlooked: ${decision.reason}`] : [],
      );
    });
  }

  async #do(action: Action): Promise<void> {
    switch (action.kind) {
      case 'create':
      case 'update':
      case 'scale':
      case 'force':
      case 'roll-back':
      case 'remove':
        // Answered when the clock goes on.
        void this.#ask(action);
        return;
      case 'crash-process':
        if (this.#roles.crash(action.process, action.ms)) this.#crashes += 1;
        return;
      case 'crash-log':
        await this.#crashVoter(action.ms);
        return;
      case 'break-streams':
        this.#roles.breakStreams(action.process);
        return;
      case 'delay':
        this.#roles.delay(action.process, action.delayMs, action.ms);
        return;
      case 'join':
        this.#join(action.draw);
        return;
      default:
        this.#doToHost(action);
    }
  }

  async #ask(
    action: Action & { kind: 'create' | 'update' | 'scale' | 'force' | 'roll-back' | 'remove' },
  ): Promise<void> {
    const user = this.#user;
    const name = names[action.service % names.length] ?? 'alpha';
    const service = user.serviceOf(name);
    if (action.kind === 'create') {
      if (service === undefined)
        await user.create(name, drawSpec(new SeededRandom(action.draw), name, names));
      return;
    }
    const spec = service && user.specOf(service);
    if (service === undefined || spec === undefined) return;
    const { TaskTemplate } = spec;
    if (action.kind === 'remove') await user.remove(service);
    else if (action.kind === 'roll-back') await user.rollBack(service);
    else if (action.kind === 'update')
      await user.update(service, changeSpec(new SeededRandom(action.draw), spec, names));
    else if (action.kind === 'force') {
      const ForceUpdate = TaskTemplate.ForceUpdate + 1;
      await user.update(service, { ...spec, TaskTemplate: { ...TaskTemplate, ForceUpdate } });
    } else if (spec.Mode.Replicated !== undefined)
      await user.update(service, { ...spec, Mode: { Replicated: { Replicas: action.to } } });
  }

  async #crashVoter(ms: number): Promise<void> {
    this.#crashes += 1;
    this.#voter.crash();
    this.#voterUp = false;
    await this.#clock.run(ms);
    await this.#startVoter();
  }

  #doToHost(action: Action & { readonly host: number }): void {
    const host = this.#hosts[action.host % Math.max(1, this.#hosts.length)];
    if (host === undefined) return;
    switch (action.kind) {
      case 'kill-container':
        host.killOne();
        return;
      case 'crash-agent':
        this.#crashes += 1;
        host.crash();
        this.#clock.after(action.ms, () => host.start());
        return;
      case 'lose-power':
        this.#crashes += 1;
        host.losePower();
        this.#clock.after(action.ms, () => host.start());
        return;
      case 'isolate':
        host.isolate();
        this.#clock.after(action.ms, () => host.reconnect());
        return;
      case 'availability':
        void this.#user.changeNode(host.nodeId, { Availability: action.to });
        return;
      case 'label-node':
        void this.#user.changeNode(host.nodeId, {
          Labels: drawNodeLabels(new SeededRandom(action.draw)),
        });
        return;
      default:
        void this.#removeNode(host);
    }
  }

  #join(draw: number): void {
    if (this.#hosts.length >= hostsMax) return;
    const random = new SeededRandom(draw);
    const labels = drawNodeLabels(random);
    const host = this.#addHost(random);
    void this.#user.join(host.nodeId, labels).then(() => host.start());
  }

  /** The host is switched off, as it should be, and comes back only if it was not removed after all. */
  async #removeNode(host: FakeAgent): Promise<void> {
    host.losePower();
    await this.#user.removeNode(host.nodeId);
    if (this.#voter.view?.nodes.get(host.nodeId) !== undefined) {
      host.start();
      return;
    }
    host.losePower();
    this.#hosts.splice(this.#hosts.indexOf(host), 1);
  }

  #addHost(random: SeededRandom): FakeAgent {
    const number = this.#hostsMade++;
    const own = random.fork();
    const host = new FakeAgent({
      nodeId: newId(own),
      address: `10.0.0.${number + 1}`,
      description: drawHost(own, `host-${number}`),
      clock: this.#clock,
      random: own,
      network: this.#network,
      open: (session) => this.#roles.open(own, session),
      failureRate: () => this.#failureRate,
      load: (serviceId) => {
        const isOdd = this.#failureRate > 0 && own.chance(0.3);
        return isBusy(serviceId) === isOdd ? loads.idle : loads.busy;
      },
    });
    this.#hosts.push(host);
    return host;
  }
}
