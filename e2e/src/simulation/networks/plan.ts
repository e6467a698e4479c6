import { type GossipFaults, SeededRandom } from '@shoal/sim';

/** One thing that is asked for or goes wrong. Services, hosts and processes are named by number. */
export type NetworksAction =
  /** `draw` is the seed of what is drawn for the action, so that leaving out others does not change it. */
  | { readonly kind: 'create'; readonly service: number; readonly draw: number }
  | { readonly kind: 'update'; readonly service: number; readonly draw: number }
  | { readonly kind: 'scale'; readonly service: number; readonly to: number }
  | { readonly kind: 'remove'; readonly service: number }
  | { readonly kind: 'kill-container'; readonly host: number }
  | { readonly kind: 'drain-node'; readonly host: number; readonly ms: number }
  | { readonly kind: 'crash-agent'; readonly host: number; readonly ms: number }
  | { readonly kind: 'lose-power'; readonly host: number; readonly ms: number }
  | { readonly kind: 'crash-consumer'; readonly host: number; readonly which: number }
  | { readonly kind: 'break-kernel'; readonly host: number; readonly ms: number }
  /** Nothing passes between the agent and the dispatchers. */
  | { readonly kind: 'isolate'; readonly host: number; readonly ms: number }
  | { readonly kind: 'break-streams'; readonly host: number }
  /** kill -9 of a dispatcher or a stage; it starts again with empty caches. */
  | { readonly kind: 'crash-process'; readonly process: number; readonly ms: number }
  | { readonly kind: 'delay-process'; readonly process: number; readonly ms: number }
  /** Hosts of different sides do not hear each other's gossip. */
  | { readonly kind: 'split'; readonly sides: readonly number[]; readonly ms: number }
  | { readonly kind: 'faults'; readonly faults: GossipFaults; readonly ms: number }
  | { readonly kind: 'slow'; readonly host: number; readonly lagMs: number; readonly ms: number }
  | { readonly kind: 'rotate-keys' };

export interface NetworksStep {
  readonly atMs: number;
  readonly action: NetworksAction;
}

/** A whole run: what happens is data, so that a failing one can be made smaller. */
export interface NetworksPlan {
  readonly seed: number;
  readonly hosts: number;
  readonly dispatchers: number;
  /** Time in which things go wrong, simulated milliseconds. */
  readonly chaosMs: number;
  readonly steps: readonly NetworksStep[];
}

export const servicesMax = 4;
const hostsMax = { least: 2, most: 6 } as const;
const replicasMax = 6;
const processesMax = 8;
const chaosMs = 45_000;
const pauseMs = { min: 50, max: 2_500 } as const;
const downMs = { min: 200, max: 12_000 } as const;
const cutMs = { min: 500, max: 20_000 } as const;
const faultyMs = { min: 1_000, max: 15_000 } as const;
const drawsMax = 2 ** 31;

type Kind = NetworksAction['kind'];

/** How often each kind comes, relative to the others. */
const weights: readonly (readonly [Kind, number])[] = [
  ['create', 8],
  ['update', 12],
  ['scale', 16],
  ['remove', 4],
  ['kill-container', 10],
  ['drain-node', 3],
  ['crash-agent', 8],
  ['lose-power', 4],
  ['crash-consumer', 6],
  ['break-kernel', 3],
  ['isolate', 6],
  ['break-streams', 4],
  ['crash-process', 7],
  ['delay-process', 3],
  ['split', 6],
  ['faults', 8],
  ['slow', 3],
  ['rotate-keys', 3],
];
const total = weights.reduce((sum, [, weight]) => sum + weight, 0);

/** What a seed brings. */
export function networksPlan(seed: number): NetworksPlan {
  const random = new SeededRandom(seed);
  const hosts = random.between(hostsMax.least, hostsMax.most + 1);
  const dispatchers = random.between(1, Math.min(hosts, 3) + 1);
  const steps: NetworksStep[] = [];
  for (let service = 0; service < 2; service += 1)
    steps.push({ atMs: service * 10, action: { kind: 'create', service, draw: drawOf(random) } });
  for (let atMs = random.between(2_000, 6_000); atMs < chaosMs; ) {
    steps.push({ atMs, action: actionOf(random, hosts, chaosMs - atMs) });
    atMs += random.between(pauseMs.min, pauseMs.max);
  }
  return { seed, hosts, dispatchers, chaosMs, steps };
}

function drawOf(random: SeededRandom): number {
  return random.between(0, drawsMax);
}

function kindOf(random: SeededRandom): Kind {
  let left = random.next() * total;
  for (const [kind, weight] of weights) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'scale';
}

/** What lasts ends with the chaos. */
function actionOf(random: SeededRandom, hosts: number, leftMs: number): NetworksAction {
  const kind = kindOf(random);
  const host = random.between(0, hosts);
  const service = random.between(0, servicesMax);
  const process = random.between(0, processesMax);
  const lasting = ({ min, max }: { readonly min: number; readonly max: number }): number =>
    Math.min(leftMs, random.between(min, max));
  switch (kind) {
    case 'create':
    case 'update':
      return { kind, service, draw: drawOf(random) };
    case 'scale':
      return { kind, service, to: random.between(0, replicasMax + 1) };
    case 'remove':
      return { kind, service };
    case 'kill-container':
    case 'break-streams':
      return { kind, host };
    case 'crash-consumer':
      return { kind, host, which: random.between(0, 2) };
    case 'crash-agent':
    case 'lose-power':
    case 'drain-node':
      return { kind, host, ms: lasting(downMs) };
    case 'break-kernel':
      return { kind, host, ms: lasting(faultyMs) };
    case 'isolate':
      return { kind, host, ms: lasting(cutMs) };
    case 'crash-process':
      return { kind, process, ms: lasting(downMs) };
    case 'delay-process':
      return { kind, process, ms: lasting(faultyMs) };
    case 'split':
      return {
        ...{ kind, ms: lasting(cutMs) },
        sides: Array.from({ length: hosts }, () => random.between(0, 2)),
      };
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
      return { kind };
  }
}

export function describeNetworksStep({ atMs, action }: NetworksStep): string {
  const { kind, ...rest } = action;
  return `${atMs} ms: ${kind} ${JSON.stringify(rest)}`;
}
