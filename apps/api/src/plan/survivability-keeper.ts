import { type Clock, type Instant, type Logger, type Timer, within } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import { inSlices } from './slices.ts';
import { type Survivability, survivabilityOf } from './survivability.ts';

/** Least pause between two computations while the state goes on changing, milliseconds. */
const pauseMsMin = 5_000;
/** The pause is so many times as long as the computation before it took, where that is more. */
const pauseShare = 4;
/** Longest wait for the first answer, milliseconds. */
const firstMsMax = 10_000;
/** Nobody asked for so long: then nothing is computed until somebody does, milliseconds. */
const interestMs = 10 * 60_000;

/** An answer, and when it was made. */
export interface KeptSurvivability extends Survivability {
  readonly computedAt: string;
  /** False when the state has moved on since; a newer answer is on its way then. */
  readonly current: boolean;
}

/** Keeps the answer for the newest state, in the background, for as long as somebody takes an interest. */
export class SurvivabilityKeeper {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #replica: Replica | undefined;
  #unsubscribe: () => void = () => undefined;
  #kept: { readonly answer: Survivability; readonly at: Instant } | undefined;
  #computing: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** The state was written since the kept answer was begun. */
  #stale = true;
  #askedAt = 0 as Instant;
  #stopped = false;
  #pauseMs = pauseMsMin;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The newest answer there is. The first is waited for; undefined when it takes too long. */
  async answer(replica: Replica): Promise<KeptSurvivability | undefined> {
    this.#askedAt = this.#clock.now();
    if (replica !== this.#replica) this.#follow(replica);
    if (this.#stale && this.#timer === undefined) this.#inBackground();
    if (this.#kept === undefined) await within(this.#clock, firstMsMax, this.#compute());
    if (this.#kept === undefined) return undefined;
    const { answer, at } = this.#kept;
    return { ...answer, computedAt: new Date(at).toISOString(), current: !this.#stale };
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  #follow(replica: Replica): void {
    this.#unsubscribe();
    this.#replica = replica;
    this.#kept = undefined;
    this.#stale = true;
    this.#unsubscribe = replica.subscribe((event) => {
      if (event.kind === 'applied' && event.entry.changes.every(({ table }) => table === 'lease'))
        return;
      this.#stale = true;
      this.#soon();
    });
  }

  #soon(): void {
    const interested = this.#clock.now() - this.#askedAt < interestMs;
    if (this.#timer !== undefined || this.#computing !== undefined || !interested) return;
    this.#timer = this.#clock.after(this.#pauseMs, () => {
      this.#timer = undefined;
      this.#inBackground();
    });
  }

  /** A fault in what nobody waits for must not end the process, which has a voter to run. */
  #inBackground(): void {
    this.#compute().catch((error: unknown) => {
      this.#stale = true;
      this.#logger.error({ error }, 'survivability_failed');
    });
  }

  #compute(): Promise<void> {
    this.#computing ??= this.#run().finally(() => {
      this.#computing = undefined;
      if (this.#stale && !this.#stopped) this.#soon();
    });
    return this.#computing;
  }

  async #run(): Promise<void> {
    const replica = this.#replica;
    if (replica === undefined) return;
    this.#stale = false;
    const begun = this.#clock.monotonic();
    const work = survivabilityOf(replica.view, this.#clock.now());
    const where = this.#kept === undefined ? 'foreground' : 'background';
    const answer = await inSlices(work, this.#clock, where);
    this.#pauseMs = Math.max(pauseMsMin, pauseShare * (this.#clock.monotonic() - begun));
    // Another replica may have taken its place meanwhile: the host left the swarm.
    if (replica === this.#replica) this.#kept = { answer, at: this.#clock.now() };
  }
}
