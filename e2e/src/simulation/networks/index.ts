import { errorMessage, type Logger } from '@shoal/runtime';
import { shrink } from '@shoal/sim';
import { describeNetworksStep, type NetworksPlan, networksPlan } from './plan.ts';
import { type NetworksReport, NetworksSimulation } from './simulation.ts';

export type NetworksOutcome =
  | { readonly kind: 'held'; readonly report: NetworksReport }
  /** `trace`: the fewest steps found that still fail, one per line. */
  | { readonly kind: 'broken'; readonly message: string; readonly trace: readonly string[] };

/** Runs of smaller plans, at most. */
const shrinkTriesMax = 60;

/** One run of the seed's plan; when a host was wrong in the end, with the smallest plan that still does that. */
export async function simulateNetworks(seed: number, logger?: Logger): Promise<NetworksOutcome> {
  const plan = networksPlan(seed);
  const first = await outcomeOf(plan, logger);
  if (first.kind === 'held') return first;
  const small = await shrink(
    plan,
    async (smaller: NetworksPlan) => (await outcomeOf(smaller, logger)).kind === 'broken',
    shrinkTriesMax,
  );
  const last = await outcomeOf(small, logger);
  const setting = `${plan.hosts} hosts, ${plan.dispatchers} dispatchers`;
  const end = last.kind === 'broken' ? last.message : 'holds';
  return {
    kind: 'broken',
    message: first.message,
    trace: [setting, ...small.steps.map(describeNetworksStep), `with these steps: ${end}`],
  };
}

async function outcomeOf(plan: NetworksPlan, logger: Logger | undefined): Promise<NetworksOutcome> {
  try {
    return { kind: 'held', report: await new NetworksSimulation(plan, logger).run() };
  } catch (error) {
    return { kind: 'broken', message: errorMessage(error), trace: [] };
  }
}

/** What runs seeds on a thread, for `runSeeds`. */
export const networksThread = new URL('./seed-thread.ts', import.meta.url);
