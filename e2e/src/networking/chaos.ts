import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom } from '@shoal/sim';
import type { Machine } from '../hosts/machine.ts';
import { order } from '../scheduling/services.ts';
import type { Swarm } from './fleet.ts';

/** Ports of gossip and of the agents' sessions. */
const ports = [7_946, 2_378] as const;
const pauseMs = { min: 200, max: 1_500 } as const;
const lineMs = { min: 1_000, max: 8_000 } as const;
const replicasMax = 5;
const slowKilobits = 400;
const workerProcesses = ['agent', 'dns', 'ingress-lb'] as const;
const managerProcesses = [...workerProcesses, 'dispatcher'] as const;

export interface ChaosCounts {
  cuts: number;
  slowed: number;
  kills: number;
  scales: number;
  deaths: number;
}

/** What goes wrong on real machines, as a seed draws it. */
export class Chaos {
  readonly services: Map<string, number>;
  readonly #swarm: Swarm;
  readonly #random: SeededRandom;
  /** Lines that are mended after a while. */
  readonly #mending: Promise<void>[] = [];
  readonly #counts: ChaosCounts = { cuts: 0, slowed: 0, kills: 0, scales: 0, deaths: 0 };

  /** `services`: how many tasks each has to have; what is scaled meanwhile is kept up there. */
  constructor(swarm: Swarm, seed: number, services: ReadonlyMap<string, number>) {
    this.#swarm = swarm;
    this.#random = new SeededRandom(seed);
    this.services = new Map(services);
  }

  /** Does harm for so long, then mends every line. */
  async run(ms: number): Promise<ChaosCounts> {
    const end = performance.now() + ms;
    try {
      while (performance.now() < end) {
        await this.#harm();
        await pause(this.#random.between(pauseMs.min, pauseMs.max));
      }
    } finally {
      await Promise.allSettled(this.#mending);
      await this.#swarm.fleet.heal();
    }
    return this.#counts;
  }

  async #harm(): Promise<void> {
    const random = this.#random;
    const { fleet, m1 } = this.#swarm;
    const machine = random.pick(fleet.machines) ?? m1;
    switch (random.between(0, 7)) {
      case 0:
      case 1:
        return this.#cut(machine);
      case 2:
        return this.#slow(machine);
      case 3:
      case 4:
        return this.#kill(machine);
      case 5:
        return this.#scale();
      default:
        return this.#killTask(machine);
    }
  }

  /** One port of a machine, to everybody or to one other, in both directions or in one. */
  async #cut(machine: Machine): Promise<void> {
    const random = this.#random;
    const others = this.#swarm.fleet.machines.filter((other) => other !== machine);
    const one = random.pick(others);
    const direction = random.pick(['both', 'both', 'in', 'out'] as const) ?? 'both';
    const port = random.pick(ports) ?? ports[0];
    await machine.cut(one === undefined || random.chance(0.5) ? 'all' : one, { direction, port });
    this.#counts.cuts += 1;
    this.#mending.push(this.#mend(machine));
  }

  async #slow(machine: Machine): Promise<void> {
    await machine.slow(slowKilobits);
    this.#counts.slowed += 1;
    this.#mending.push(this.#mend(machine));
  }

  /** All that is wrong with the machine's lines, at some time. */
  async #mend(machine: Machine): Promise<void> {
    await pause(this.#random.between(lineMs.min, lineMs.max));
    await machine.heal();
  }

  async #kill(machine: Machine): Promise<void> {
    const isManager = machine === this.#swarm.m1;
    const name = this.#random.pick(isManager ? managerProcesses : workerProcesses) ?? 'agent';
    // It may be on its way up again since the last time.
    if (!machine.processes().has(name)) return;
    await machine.killProcess(name).catch(() => undefined);
    this.#counts.kills += 1;
  }

  async #scale(): Promise<void> {
    const name = this.#random.pick([...this.services.keys()]);
    if (name === undefined) return;
    const replicas = this.#random.between(1, replicasMax + 1);
    await order(this.#swarm.m1, 'service', 'scale', '--detach', `${name}=${replicas}`);
    this.services.set(name, replicas);
    this.#counts.scales += 1;
  }

  /** A container ends that nobody told to. */
  async #killTask(machine: Machine): Promise<void> {
    const name = this.#random.pick([...this.services.keys()]);
    const containers = name === undefined ? new Map() : await machine.containers(name);
    const id: string | undefined = this.#random.pick([...containers.values()]);
    if (id === undefined) return;
    await machine.engine('kill', id).catch(() => undefined);
    this.#counts.deaths += 1;
  }
}
