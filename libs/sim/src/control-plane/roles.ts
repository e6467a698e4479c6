import type { Logger } from '@shoal/runtime';
import type { SimulatedClock } from '../clock.ts';
import type { SessionOpener } from '../fake-agent.ts';
import type { SimulatedNetwork } from '../network.ts';
import { SimulatedProcess } from '../process.ts';
import type { SeededRandom } from '../random.ts';
import { controlParts, type DispatcherFactory, startStage } from '../stage-process.ts';
import type { SimulatedVoter } from '../voter.ts';
import { type ControlPlaneParts, stageNames } from './parts.ts';
import type { Plan } from './plan.ts';

/** A process that the simulation kills and starts again. */
interface Role {
  readonly name: string;
  process: SimulatedProcess | undefined;
  start(): void;
}

export interface RolesOptions {
  readonly parts: ControlPlaneParts;
  readonly plan: Plan;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly voter: SimulatedVoter;
  readonly logger: Logger;
  /** A stage threw: a bug that the run must report. */
  readonly onFatal: (what: string) => void;
}

/** All control processes of the run, and what can be done to them. */
export class Roles {
  readonly #options: RolesOptions;
  readonly #roles: Role[] = [];
  readonly #dispatchers: ReturnType<DispatcherFactory>[] = [];

  constructor(options: RolesOptions) {
    this.#options = options;
    const { plan } = options;
    for (const stage of stageNames) {
      const count = stage === 'scheduler' ? plan.schedulers : plan.replicas;
      for (let at = 0; at < count; at += 1) this.#addStage(stage, at);
    }
    for (let at = 0; at < plan.replicas; at += 1) this.#addDispatcher(at);
  }

  startAll(): void {
    for (const role of this.#roles) if (!role.process?.alive) role.start();
  }

  /** kill -9, and a start `ms` later. */
  crash(at: number, ms: number): boolean {
    const role = this.#at(at);
    if (!role?.process?.alive) return false;
    role.process.kill();
    this.#options.clock.after(ms, () => {
      if (!role.process?.alive) role.start();
    });
    return true;
  }

  breakStreams(at: number): void {
    this.#at(at)?.process?.breakStreams();
  }

  delay(at: number, delayMs: number, ms: number): void {
    const { network, clock } = this.#options;
    const name = this.#at(at)?.name ?? '';
    network.delay(name, delayMs);
    clock.after(ms, () => network.delay(name, 0));
  }

  /** The session goes to any of the dispatchers that run. */
  open(random: SeededRandom, session: Parameters<SessionOpener>[0]): ReturnType<SessionOpener> {
    return random.pick(this.#dispatchers)?.open(session, this.#options.network);
  }

  #at(at: number): Role | undefined {
    return this.#roles[at % this.#roles.length];
  }

  #addStage(stage: (typeof stageNames)[number], instance: number): void {
    const { parts, voter, logger, onFatal } = this.#options;
    this.#add(`${stage}-${instance}`, (process) => {
      const own = controlParts(process, voter, stage, logger);
      startStage(own, parts.stages[stage](), (error) =>
        onFatal(`${process.name} failed: ${String(error)}`),
      );
    });
  }

  #addDispatcher(instance: number): void {
    const { parts, voter, logger } = this.#options;
    this.#add(`dispatcher-${instance}`, (process) => {
      const dispatcher = parts.dispatcher(controlParts(process, voter, 'dispatcher', logger));
      this.#dispatchers[instance] = {
        open: (session, network) => (process.alive ? dispatcher.open(session, network) : undefined),
      };
    });
  }

  #add(name: string, begin: (process: SimulatedProcess) => void): void {
    const role: Role = {
      name,
      process: undefined,
      start: () => {
        role.process = new SimulatedProcess(name, this.#options.clock, this.#options.random.fork());
        begin(role.process);
      },
    };
    this.#roles.push(role);
  }
}
