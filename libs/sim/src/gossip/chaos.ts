import { invariant } from '@shoal/runtime';
import { SeededRandom } from '../random.ts';
import { type GossipAction, type GossipPlan, recordsOfHostMax } from './plan.ts';
import { GossipSimulation, keyOf, type SimulatedHost } from './simulation.ts';

export interface GossipReport {
  readonly seed: number;
  readonly hosts: number;
  /** From the silence until every host showed what it should, simulated milliseconds. */
  readonly recoveryMs: number;
  /** Records that are shown in the end, over all hosts and networks. */
  readonly shown: number;
  readonly restarts: number;
  readonly failures: number;
  readonly splits: number;
  readonly rotations: number;
}

/** After chaos everything must be right within this, simulated milliseconds. */
export const recoveryMsMax = 10_000;
/** Until all hosts have found each other, before anything goes wrong. */
const startMs = 60_000;
/** Until a restarted host knows what it has, at most: that takes a session with a dispatcher. */
const sessionMsMax = 2_000;
/** Until a host hears of a new key, at most. */
const keyNewsMsMax = 5_000;
const ringKeys = 3;
const seedsMax = 3;

/** Runs a plan: hosts in networks, chaos, silence; then every host must show what it should. */
export class GossipChaos {
  readonly #plan: GossipPlan;
  readonly #simulation: GossipSimulation;
  readonly #failed = new Set<number>();
  readonly #counts = { restarts: 0, failures: 0, splits: 0, rotations: 0 };
  /** Hosts whose process is down for a while. */
  readonly #down = new Set<number>();
  readonly #sabotage: ((id: string, host: SimulatedHost) => void) | undefined;
  #newestKey = 1;
  #splits = 0;

  /** `sabotage` may break a host, to see that it is found out. */
  constructor(plan: GossipPlan, sabotage?: (id: string, host: SimulatedHost) => void) {
    this.#plan = plan;
    this.#sabotage = sabotage;
    this.#simulation = new GossipSimulation(plan.seed, { sealed: true });
  }

  /** @throws what was wrong, as an error. */
  async run(): Promise<GossipReport> {
    const { seed, hosts, chaosMs, steps } = this.#plan;
    const simulation = this.#simulation;
    await this.#start();
    for (const { atMs, action } of steps) simulation.clock.after(atMs, () => this.#act(action));
    await simulation.clock.run(chaosMs);
    this.#silence();
    const recoveryMs = await simulation.untilRight(recoveryMsMax);
    if (recoveryMs === undefined) throw new Error(this.#wrong());
    return { seed, hosts, recoveryMs, shown: this.#shown(), ...this.#counts };
  }

  async #start(): Promise<void> {
    const { hosts, networks, seed } = this.#plan;
    const random = new SeededRandom(seed + 1);
    for (let at = 0; at < hosts; at += 1)
      this.#simulation.add(name(at), at === 0 ? undefined : name(0));
    for (const [id, host] of this.#simulation.hosts) this.#sabotage?.(id, host);
    const found = await this.#simulation.untilAgreed(startMs);
    invariant(found !== undefined, 'hosts find each other while nothing is wrong', { seed });
    for (let at = 0; at < hosts; at += 1)
      for (let network = 0; network < networks; network += 1) {
        if (random.chance(0.3)) continue;
        this.#simulation.join(name(at), `net${network}`);
        this.#simulation.put(name(at), `net${network}`, 'first', `${at}`);
      }
  }

  #act(action: GossipAction): void {
    const simulation = this.#simulation;
    switch (action.kind) {
      case 'put':
      case 'withdraw': {
        const { host, network, record } = action;
        if (!this.#isUp(host)) return;
        const value = action.kind === 'put' ? `v${action.value}` : undefined;
        simulation.put(name(host), `net${network}`, `r${record}`, value);
        return;
      }
      case 'join':
        if (this.#isUp(action.host)) simulation.join(name(action.host), `net${action.network}`);
        return;
      case 'leave-network':
        if (this.#isUp(action.host))
          simulation.leaveNetwork(name(action.host), `net${action.network}`);
        return;
      case 'restart':
        this.#restart(action);
        return;
      case 'fail':
      case 'say-goodbye':
        this.#fail(action);
        return;
      case 'split':
        this.#split(action.sides, action.ms);
        return;
      case 'faults':
        simulation.faults = action.faults;
        simulation.clock.after(action.ms, () => this.#calm());
        return;
      case 'slow':
        simulation.slow(name(action.host), action.lagMs);
        simulation.clock.after(action.ms, () => simulation.slow(name(action.host), 0));
        return;
      case 'rotate-keys':
        this.#rotate(action.draw);
        return;
    }
  }

  #isUp(host: number): boolean {
    return !this.#failed.has(host) && !this.#down.has(host);
  }

  #restart(action: GossipAction & { readonly kind: 'restart' }): void {
    const { host, ms } = action;
    if (!this.#isUp(host)) return;
    this.#counts.restarts += 1;
    this.#down.add(host);
    this.#simulation.kill(name(host));
    this.#simulation.clock.after(ms, () => this.#boot(action));
  }

  #boot({ host, clock, draw }: GossipAction & { readonly kind: 'restart' }): void {
    const random = new SeededRandom(draw);
    const simulation = this.#simulation;
    const id = name(host);
    const others = Array.from({ length: seedsMax }, (_, at) => name(at)).filter(
      (other) => other !== id && simulation.hosts.has(other),
    );
    simulation.restart(id, others, clock === 'ahead' ? simulation.clock.now() * 1_000 : 0);
    simulation.host(id).keys?.replace(this.#ring());
    forget(simulation.host(id), random);
    const { gossip } = simulation.host(id);
    const after = (act: () => void): void => {
      simulation.clock.after(random.between(0, sessionMsMax), () => {
        // It may have died again since.
        if (simulation.host(id).gossip === gossip && simulation.host(id).up) act();
      });
    };
    after(() => {
      simulation.republish(id);
      this.#down.delete(host);
      after(() => gossip.settle());
    });
  }

  #fail({ kind, host }: { readonly kind: 'fail' | 'say-goodbye'; readonly host: number }): void {
    if (!this.#isUp(host)) return;
    this.#failed.add(host);
    this.#counts.failures += 1;
    if (kind === 'fail') this.#simulation.kill(name(host));
    else this.#simulation.leave(name(host));
  }

  #split(sides: readonly number[], ms: number): void {
    this.#counts.splits += 1;
    this.#splits += 1;
    const latest = this.#splits;
    const side = (wanted: number): readonly string[] =>
      sides.flatMap((each, host) => (each === wanted ? [name(host)] : []));
    this.#simulation.split([side(0), side(1)]);
    this.#simulation.clock.after(ms, () => {
      if (latest === this.#splits) this.#simulation.heal();
    });
  }

  #rotate(draw: number): void {
    const random = new SeededRandom(draw);
    this.#counts.rotations += 1;
    this.#newestKey += 1;
    for (const { keys } of this.#simulation.hosts.values())
      this.#simulation.clock.after(random.between(0, keyNewsMsMax), () =>
        keys?.replace(this.#ring()),
      );
  }

  #ring(): readonly ReturnType<typeof keyOf>[] {
    const numbers = Array.from({ length: ringKeys }, (_, at) => this.#newestKey - at);
    return numbers.filter((number) => number > 0).map(keyOf);
  }

  #calm(): void {
    this.#simulation.faults = { delayMsMax: 5, loss: 0, duplication: 0 };
  }

  /** Nothing goes wrong from now on; who is down for a while is back already. */
  #silence(): void {
    this.#calm();
    this.#simulation.heal();
    for (const id of this.#simulation.hosts.keys()) this.#simulation.slow(id, 0);
  }

  #shown(): number {
    let shown = 0;
    for (const { id, up, wanted } of this.#simulation.hosts.values())
      for (const network of up ? wanted.keys() : [])
        shown += this.#simulation.shown(id, network).length;
    return shown;
  }

  #wrong(): string {
    const differences = this.#simulation.differences();
    const agreeing = `${this.#simulation.agreeing()} of ${this.#simulation.up} know who is up`;
    return [`wrong ${recoveryMsMax} ms after the chaos; ${agreeing}`, ...differences].join('\n');
  }
}

function name(host: number): string {
  return `n${host}`;
}

/** Some of what a host had is gone when it comes back. */
function forget({ wanted }: SimulatedHost, random: SeededRandom): void {
  for (const [network, records] of [...wanted]) {
    if (random.chance(0.2)) wanted.delete(network);
    for (let record = 0; record < recordsOfHostMax; record += 1)
      if (random.chance(0.3)) records.delete(`r${record}`);
  }
}
