import { SeededRandom } from '../random.ts';

/** One thing that is asked for, or goes wrong. Services, hosts and processes are named by their place among those there are. */
export type Action =
  /** `draw` is the seed of what is drawn for the action, so that leaving out others does not change it. */
  | { readonly kind: 'create'; readonly service: number; readonly draw: number }
  | { readonly kind: 'update'; readonly service: number; readonly draw: number }
  | { readonly kind: 'scale'; readonly service: number; readonly to: number }
  | { readonly kind: 'force'; readonly service: number }
  | { readonly kind: 'roll-back'; readonly service: number }
  | { readonly kind: 'remove'; readonly service: number }
  | { readonly kind: 'kill-container'; readonly host: number }
  | { readonly kind: 'crash-agent'; readonly host: number; readonly ms: number }
  | { readonly kind: 'lose-power'; readonly host: number; readonly ms: number }
  | { readonly kind: 'isolate'; readonly host: number; readonly ms: number }
  | { readonly kind: 'join'; readonly draw: number }
  | { readonly kind: 'remove-node'; readonly host: number }
  | {
      readonly kind: 'availability';
      readonly host: number;
      readonly to: 'active' | 'pause' | 'drain';
    }
  | { readonly kind: 'label-node'; readonly host: number; readonly draw: number }
  /** kill -9 of one control process; it starts again with empty caches. */
  | { readonly kind: 'crash-process'; readonly process: number; readonly ms: number }
  | { readonly kind: 'crash-log'; readonly ms: number }
  /** All connections of the process break: answers are lost. */
  | { readonly kind: 'break-streams'; readonly process: number }
  /** Everything to and from the process is late: the log, its proposals, its lease. */
  | {
      readonly kind: 'delay';
      readonly process: number;
      readonly delayMs: number;
      readonly ms: number;
    };

export interface Step {
  readonly atMs: number;
  readonly action: Action;
}

/** A whole run: what happens is data, so that a failing one can be made smaller. */
export interface Plan {
  readonly seed: number;
  readonly schedulers: number;
  /** Processes of each other stage. */
  readonly replicas: number;
  /** Hosts at the start. */
  readonly hosts: number;
  /** Time in which things go wrong, milliseconds. */
  readonly chaosMs: number;
  readonly steps: readonly Step[];
}

const schedulerCounts = [1, 2, 4, 8] as const;
const chaosMs = 100_000;
const pauseMs = { min: 20, max: 2_200 } as const;
/** Now and then nothing happens for long enough that an update can end. */
const lullMs = { min: 3_000, max: 9_000 } as const;
export const servicesMax = 6;
export const hostsMax = 7;
const replicasMax = 7;
const processesMax = 16;
const drawsMax = 2 ** 31;

/** What happens in the run of this seed. */
export function planOf(seed: number): Plan {
  const random = new SeededRandom(seed);
  const schedulers = schedulerCounts[seed % schedulerCounts.length] ?? 1;
  const replicas = random.between(1, 4);
  const hosts = random.between(2, hostsMax - 1);
  const steps: Step[] = [];
  for (let service = 0; service < 3; service += 1)
    steps.push({ atMs: service * 10, action: { kind: 'create', service, draw: drawOf(random) } });
  let atMs = random.between(100, 3_000);
  while (atMs < chaosMs) {
    steps.push({ atMs, action: actionOf(random) });
    const { min, max } = random.chance(0.08) ? lullMs : pauseMs;
    atMs += random.between(min, max);
  }
  return { seed, schedulers, replicas, hosts, chaosMs, steps };
}

type Draw = (random: SeededRandom) => Action;

const drawOf = (random: SeededRandom): number => random.between(0, drawsMax);
const someService = (random: SeededRandom): number => random.between(0, servicesMax);
const someHost = (random: SeededRandom): number => random.between(0, hostsMax);
const someProcess = (random: SeededRandom): number => random.between(0, processesMax);

/** How often each kind comes, relative to the others. */
const draws: readonly (readonly [weight: number, Draw])[] = [
  [14, (random) => ({ kind: 'create', service: someService(random), draw: drawOf(random) })],
  [24, (random) => ({ kind: 'update', service: someService(random), draw: drawOf(random) })],
  [
    6,
    (random) => ({
      kind: 'scale',
      service: someService(random),
      to: random.between(0, replicasMax),
    }),
  ],
  [4, (random) => ({ kind: 'force', service: someService(random) })],
  [5, (random) => ({ kind: 'roll-back', service: someService(random) })],
  [3, (random) => ({ kind: 'remove', service: someService(random) })],
  [6, (random) => ({ kind: 'kill-container', host: someHost(random) })],
  [4, (random) => ({ kind: 'crash-agent', host: someHost(random), ms: random.between(0, 4_000) })],
  [5, (random) => ({ kind: 'lose-power', host: someHost(random), ms: random.between(0, 40_000) })],
  [4, (random) => ({ kind: 'isolate', host: someHost(random), ms: random.between(100, 40_000) })],
  [3, (random) => ({ kind: 'join', draw: drawOf(random) })],
  [2, (random) => ({ kind: 'remove-node', host: someHost(random) })],
  [
    10,
    (random) => ({
      kind: 'availability',
      host: someHost(random),
      to: random.pick(['active', 'active', 'pause', 'drain', 'drain'] as const) ?? 'active',
    }),
  ],
  [5, (random) => ({ kind: 'label-node', host: someHost(random), draw: drawOf(random) })],
  [
    12,
    (random) => ({
      kind: 'crash-process',
      process: someProcess(random),
      ms: random.between(0, 4_000),
    }),
  ],
  [3, (random) => ({ kind: 'crash-log', ms: random.between(0, 4_000) })],
  [5, (random) => ({ kind: 'break-streams', process: someProcess(random) })],
  [
    7,
    (random) => ({
      kind: 'delay',
      process: someProcess(random),
      delayMs: random.between(50, 1_500),
      ms: random.between(500, 15_000),
    }),
  ],
];

const weightSum = draws.reduce((sum, [weight]) => sum + weight, 0);

function actionOf(random: SeededRandom): Action {
  let left = random.next() * weightSum;
  for (const [weight, draw] of draws) {
    left -= weight;
    if (left < 0) return draw(random);
  }
  return { kind: 'join', draw: drawOf(random) };
}

/** One line for people. */
export function describeStep({ atMs, action }: Step): string {
  const { kind, ...details } = action;
  const words = Object.entries(details).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `at ${atMs} ms: ${[kind, ...words].join(' ')}`;
}
