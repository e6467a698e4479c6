import type { Instant, LogIndex } from '@shoal/runtime';
import { forkOf, rebalanceKey, type StateView } from '@shoal/state';
import { changesOf, type Hypothesis } from './hypothesis.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type Patience, Rehearsal } from './rehearsal.ts';
import type { Sliced } from './slices.ts';

const minuteMs = 60_000;
/** What is under way anyway gets so long to come to rest before anything is supposed. */
const calmMs = 2 * minuteMs;
/** Drains may be slow on purpose: a few tasks at a time, each with a deadline. */
const outcomeMs = 60 * minuteMs;
/** Rebalancing makes so few moves an hour that a plan of it looks far ahead. */
const rebalanceMs = 30 * 24 * 60 * minuteMs;

/** What would happen if the hypothesis came true now. */
export interface Plan extends Outcome {
  readonly hypothesis: Hypothesis;
  /** The log index of the state that the plan was made on. */
  readonly index: LogIndex;
  /** False when the rehearsal was cut off before all was quiet. */
  readonly complete: boolean;
  /** How long it takes with agents that need no time at all, milliseconds. */
  readonly takesMs: number;
}

export type Planned =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'refused'; readonly reason: string };

/** Plays the hypothesis through on a fork of the state; the state itself is only read. */
export function* planOf(view: StateView, hypothesis: Hypothesis, now: Instant): Sliced<Planned> {
  const rehearsal = yield* calmRehearsal(view, now);
  // The fork stands where the state stood when it was taken.
  const supposed = changesOf(rehearsal.view, hypothesis);
  if (supposed.kind === 'refused') return supposed;
  const { index } = rehearsal;
  rehearsal.mark();
  const begun = rehearsal.now;
  rehearsal.suppose(supposed.changes);
  const complete = yield* rehearsal.settle(patienceFor(hypothesis));
  const takesMs = rehearsal.now - begun;
  return {
    kind: 'plan',
    plan: { hypothesis, index, complete, takesMs, ...outcomeOf(rehearsal) },
  };
}

/** A fork in which everything that was under way has come to rest. */
export function* calmRehearsal(view: StateView, now: Instant): Sliced<Rehearsal> {
  const fork = yield* forkOf(view);
  const rehearsal = new Rehearsal(fork, now);
  yield* rehearsal.settle({ withinMs: calmMs });
  return rehearsal;
}

export function patienceFor({ kind }: Hypothesis): Patience {
  return kind === 'rebalance'
    ? { withinMs: rebalanceMs, follows: rebalanceKey }
    : { withinMs: outcomeMs };
}
