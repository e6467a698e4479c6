import type { Clock } from '@shoal/runtime';
import type { SeededRandom } from '../random.ts';
import type { History, Operation } from './history.ts';
import type { SimulatedVoter } from './simulated-voter.ts';

/** A client waits so long for an answer before it goes on to the next question, milliseconds. */
const patienceMs = 1_000;
const lookAgainMs = 2;
const readShare = 0.35;

export interface ClientParts {
  readonly name: string;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly history: History;
  readonly voters: () => readonly SimulatedVoter[];
}

/** Writes and reads at some voter, mostly at the one that leads, and notes what it is told. */
export class FakeClient {
  readonly #parts: ClientParts;
  #writes = 0;
  #stopped = false;
  /** Writes acknowledged so far. */
  acknowledged = 0;
  pauseMsMax = 150;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    const { clock, random } = this.#parts;
    clock.after(random.next() * this.pauseMsMax, () => {
      if (this.#stopped) return;
      let goneOn = false;
      const goOn = (): void => {
        if (goneOn) return;
        goneOn = true;
        patience.cancel();
        this.#next();
      };
      const patience = clock.after(patienceMs, goOn);
      const voter = this.#choose();
      if (voter === undefined) goOn();
      else void (random.chance(readShare) ? this.#read(voter) : this.#write(voter)).then(goOn);
    });
  }

  #choose(): SimulatedVoter | undefined {
    const { voters, random } = this.#parts;
    const up = voters().filter(({ node }) => node !== undefined);
    const leading = up.filter(({ node }) => node?.status.role === 'leader');
    return random.pick(leading.length > 0 && random.chance(0.8) ? leading : up);
  }

  async #write(voter: SimulatedVoter): Promise<void> {
    const { node } = voter;
    if (node === undefined) return;
    this.#writes += 1;
    const value = `${this.#parts.name}-${this.#writes}`;
    const operation = this.#begin('write', value);
    const outcome = await node.propose(new TextEncoder().encode(value));
    if (voter.node !== node) return;
    if (outcome.kind === 'committed') {
      this.#done(operation);
      this.acknowledged += 1;
    } else if (outcome.code !== 'unknown-outcome') operation.outcome = 'failed';
  }

  async #read(voter: SimulatedVoter): Promise<void> {
    const { node, machine } = voter;
    if (node === undefined || machine === undefined) return;
    const operation = this.#begin('read', '');
    const result = await node.readIndex();
    if (result.kind === 'failed') {
      operation.outcome = 'failed';
      return;
    }
    await this.#until(() => voter.node !== node || node.status.applied >= result.index);
    if (voter.node !== node) return;
    operation.length = machine.values.length;
    this.#done(operation);
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (holds()) resolve();
        else this.#parts.clock.after(lookAgainMs, look);
      };
      look();
    });
  }

  #begin(kind: Operation['kind'], value: string): Operation {
    const { history, name, clock } = this.#parts;
    return history.begin(name, kind, value, clock.monotonic());
  }

  #done(operation: Operation): void {
    operation.outcome = 'done';
    operation.answered = this.#parts.clock.monotonic();
  }
}
