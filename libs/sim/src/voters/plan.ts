import { SeededRandom } from '../random.ts';
import type { WayFaults } from './network.ts';

/** One thing that goes wrong, or is asked for. Voters are named by their place among those there are. */
export type Action =
  /** kill -9; `tearing` lets the power fail in the middle of the so-many-th durable write from now. */
  | {
      readonly kind: 'crash';
      readonly voter: number;
      readonly tearing: number | undefined;
      readonly downMs: number;
    }
  | { readonly kind: 'crash-all'; readonly downMs: number }
  | {
      readonly kind: 'isolate';
      readonly voter: number;
      readonly direction: 'both' | 'in' | 'out';
      readonly ms: number;
    }
  /** The voters of `left` and the others do not hear each other. */
  | { readonly kind: 'split'; readonly left: readonly number[]; readonly ms: number }
  | {
      readonly kind: 'cut-one-way';
      readonly from: number;
      readonly to: number;
      readonly ms: number;
    }
  | { readonly kind: 'bad-way'; readonly faults: WayFaults; readonly ms: number }
  | { readonly kind: 'full-disk'; readonly voter: number; readonly ms: number }
  | {
      readonly kind: 'slow-disk';
      readonly voter: number;
      readonly writeMs: number;
      readonly ms: number;
    }
  /** One bit of a file flips while the voter is down. `place` and `bit` are shares of what there is. */
  | { readonly kind: 'rot'; readonly voter: number; readonly file: number; readonly place: number }
  | {
      readonly kind: 'skew';
      readonly voter: number;
      readonly rate: number;
      readonly aheadMs: number;
    }
  | { readonly kind: 'add' }
  | { readonly kind: 'remove'; readonly voter: number }
  | { readonly kind: 'transfer'; readonly voter: number };

export interface Step {
  readonly atMs: number;
  readonly action: Action;
}

/** A whole run: what happens is data, so that a failing one can be made smaller. */
export interface Plan {
  readonly seed: number;
  /** Voters at the start. */
  readonly voters: number;
  /** Time in which things go wrong, milliseconds. */
  readonly chaosMs: number;
  readonly steps: readonly Step[];
}

export const quietWay: WayFaults = { delayMsMin: 0.2, delayMsMax: 5, loss: 0, duplication: 0 };
const voterNumberMax = 8;
const pauseMs = { min: 20, max: 1_500 } as const;

/** What goes wrong in the run of this seed. */
export function planOf(seed: number, voters: number, chaosMs: number): Plan {
  const random = new SeededRandom(seed);
  const steps: Step[] = [];
  let atMs = random.between(0, pauseMs.max);
  while (atMs < chaosMs) {
    steps.push({ atMs, action: actionOf(random, voters) });
    atMs += random.between(pauseMs.min, pauseMs.max);
  }
  return { seed, voters, chaosMs, steps };
}

type Draw = (random: SeededRandom, voters: number) => Action;

const someVoter = (random: SeededRandom): number => random.between(0, voterNumberMax);
const someMs = (random: SeededRandom): number => random.between(100, 6_000);

/** How often each kind comes, relative to the others. */
const draws: readonly (readonly [weight: number, Draw])[] = [
  [
    20,
    (random) => ({
      kind: 'crash',
      voter: someVoter(random),
      tearing: random.chance(0.4) ? random.between(0, 4) : undefined,
      downMs: someMs(random),
    }),
  ],
  [2, (random) => ({ kind: 'crash-all', downMs: random.between(10, 2_000) })],
  [
    15,
    (random) => ({
      kind: 'isolate',
      voter: someVoter(random),
      direction: random.pick(['both', 'in', 'out'] as const) ?? 'both',
      ms: someMs(random),
    }),
  ],
  [
    8,
    (random, voters) => ({
      kind: 'split',
      left: Array.from({ length: voters }, (_, at) => at).filter(() => random.chance(0.5)),
      ms: someMs(random),
    }),
  ],
  [
    8,
    (random) => ({
      kind: 'cut-one-way',
      from: someVoter(random),
      to: someVoter(random),
      ms: someMs(random),
    }),
  ],
  [
    8,
    (random) => ({
      kind: 'bad-way',
      faults: {
        delayMsMin: random.next() * 10,
        delayMsMax: 10 + random.next() * random.between(10, 400),
        loss: random.next() * 0.3,
        duplication: random.next() * 0.3,
      },
      ms: someMs(random),
    }),
  ],
  [6, (random) => ({ kind: 'full-disk', voter: someVoter(random), ms: someMs(random) })],
  [
    6,
    (random) => ({
      kind: 'slow-disk',
      voter: someVoter(random),
      writeMs: random.between(5, 200),
      ms: someMs(random),
    }),
  ],
  [
    4,
    (random) => ({
      kind: 'rot',
      voter: someVoter(random),
      file: random.next(),
      place: random.next(),
    }),
  ],
  [
    4,
    (random) => ({
      kind: 'skew',
      voter: someVoter(random),
      rate: 0.5 + random.next() * 1.5,
      aheadMs: random.between(-86_400_000, 86_400_000),
    }),
  ],
  [6, () => ({ kind: 'add' })],
  [6, (random) => ({ kind: 'remove', voter: someVoter(random) })],
  [7, (random) => ({ kind: 'transfer', voter: someVoter(random) })],
];

const weightSum = draws.reduce((sum, [weight]) => sum + weight, 0);

function actionOf(random: SeededRandom, voters: number): Action {
  let left = random.next() * weightSum;
  for (const [weight, draw] of draws) {
    left -= weight;
    if (left < 0) return draw(random, voters);
  }
  return { kind: 'add' };
}

/** One line for people. */
export function describeStep({ atMs, action }: Step): string {
  const { kind, ...details } = action;
  const words = Object.entries(details).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `at ${atMs} ms: ${[kind, ...words].join(' ')}`;
}
