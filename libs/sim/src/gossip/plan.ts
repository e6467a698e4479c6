import { SeededRandom } from '../random.ts';
import type { GossipFaults } from './wire.ts';

/** One thing that a host does, or that goes wrong. Hosts, networks and records are named by number. */
export type GossipAction =
  | {
      readonly kind: 'put';
      readonly host: number;
      readonly network: number;
      readonly record: number;
      readonly value: number;
    }
  | {
      readonly kind: 'withdraw';
      readonly host: number;
      readonly network: number;
      readonly record: number;
    }
  | { readonly kind: 'join'; readonly host: number; readonly network: number }
  | { readonly kind: 'leave-network'; readonly host: number; readonly network: number }
  /** Its process dies and begins again with nothing; `draw` says what is no longer on the host then. */
  | {
      readonly kind: 'restart';
      readonly host: number;
      readonly ms: number;
      readonly clock: 'ahead' | 'lost';
      readonly draw: number;
    }
  /** For good. */
  | { readonly kind: 'fail'; readonly host: number }
  | { readonly kind: 'say-goodbye'; readonly host: number }
  | { readonly kind: 'split'; readonly sides: readonly number[]; readonly ms: number }
  | { readonly kind: 'faults'; readonly faults: GossipFaults; readonly ms: number }
  | { readonly kind: 'slow'; readonly host: number; readonly lagMs: number; readonly ms: number }
  /** The managers make a new key; `draw` says when each host hears of it. */
  | { readonly kind: 'rotate-keys'; readonly draw: number };

export interface GossipStep {
  readonly atMs: number;
  readonly action: GossipAction;
}

/** A whole run: what happens is data, so that a failing one can be made smaller. */
export interface GossipPlan {
  readonly seed: number;
  readonly hosts: number;
  readonly networks: number;
  /** Time in which things go wrong, simulated milliseconds. */
  readonly chaosMs: number;
  readonly steps: readonly GossipStep[];
}

const sizes = [3, 5, 10, 20] as const;
const networksMax = 4;
export const recordsOfHostMax = 4;
const chaosMs = 90_000;
/** Hosts die for good no later than this before the silence: by then all have given them up. */
const failuresBeforeMs = 60_000;
const pauseMs = { min: 50, max: 3_000 } as const;
const downMs = { min: 500, max: 20_000 } as const;
const splitMs = { min: 1_000, max: 40_000 } as const;
const faultyMs = { min: 1_000, max: 20_000 } as const;

type Kind = GossipAction['kind'];

const weights: readonly (readonly [Kind, number])[] = [
  ['put', 34],
  ['withdraw', 14],
  ['join', 9],
  ['leave-network', 6],
  ['restart', 8],
  ['fail', 3],
  ['say-goodbye', 1],
  ['split', 6],
  ['faults', 10],
  ['slow', 5],
  ['rotate-keys', 4],
];
const total = weights.reduce((sum, [, weight]) => sum + weight, 0);

function drawKind(random: SeededRandom): Kind {
  let left = random.next() * total;
  for (const [kind, weight] of weights) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'put';
}

/** What a seed brings; so many hosts where `hosts` says so. */
export function gossipPlan(seed: number, hosts?: number): GossipPlan {
  const random = new SeededRandom(seed);
  const size = hosts ?? random.pick(sizes) ?? 3;
  const networks = random.between(1, networksMax + 1);
  const steps: GossipStep[] = [];
  for (let atMs = 0; ; ) {
    atMs += random.between(pauseMs.min, pauseMs.max);
    if (atMs >= chaosMs) break;
    const action = draw(random, size, networks, chaosMs - atMs);
    if (action !== undefined) steps.push({ atMs, action });
  }
  return { seed, hosts: size, networks, chaosMs, steps };
}

function draw(
  random: SeededRandom,
  hosts: number,
  networks: number,
  leftMs: number,
): GossipAction | undefined {
  const kind = drawKind(random);
  const host = random.between(0, hosts);
  const network = random.between(0, networks);
  const lasting = ({ min, max }: { min: number; max: number }): number =>
    Math.min(leftMs, random.between(min, max));
  switch (kind) {
    case 'put': {
      const record = random.between(0, recordsOfHostMax);
      return { kind, host, network, record, value: random.between(0, 1_000) };
    }
    case 'withdraw':
      return { kind, host, network, record: random.between(0, recordsOfHostMax) };
    case 'join':
    case 'leave-network':
      return { kind, host, network };
    case 'restart': {
      const clock = random.chance(0.5) ? 'ahead' : 'lost';
      return { kind, host, ms: lasting(downMs), clock, draw: random.between(0, 2 ** 31) };
    }
    case 'fail':
    case 'say-goodbye':
      // The first host stays: some must.
      return leftMs < failuresBeforeMs || host === 0 ? undefined : { kind, host };
    case 'split': {
      const sides = Array.from({ length: hosts }, () => random.between(0, 2));
      return { kind, sides, ms: lasting(splitMs) };
    }
    case 'faults': {
      const faults = {
        delayMsMax: random.between(5, 400),
        loss: random.next() * 0.4,
        duplication: random.next() * 0.3,
      };
      return { kind, faults, ms: lasting(faultyMs) };
    }
    case 'slow':
      return { kind, host, lagMs: random.between(50, 900), ms: lasting(faultyMs) };
    case 'rotate-keys':
      return { kind, draw: random.between(0, 2 ** 31) };
  }
}

export function describeGossipStep({ atMs, action }: GossipStep): string {
  const { kind, ...rest } = action;
  return `${atMs} ms: ${kind} ${JSON.stringify(rest)}`;
}
