import { errorMessage } from '@shoal/runtime';
import { describeStep, type Plan, planOf } from './plan.ts';
import { shrink } from './shrink.ts';
import { type VotersReport, VotersSimulation } from './simulation.ts';

export { describeStep, type Plan, planOf } from './plan.ts';
export { SimulationFailure, type VotersReport, VotersSimulation } from './simulation.ts';

/** Time in which things go wrong in one run, simulated milliseconds. */
const chaosMs = 15_000;
const sizes = [3, 5, 7] as const;

export type VotersOutcome =
  | { readonly kind: 'held'; readonly report: VotersReport }
  /** `trace`: the fewest steps found that still fail, one per line. */
  | { readonly kind: 'broken'; readonly message: string; readonly trace: readonly string[] };

/** The cluster of a seed: of 3, 5 or 7 voters. */
export function votersPlan(seed: number): Plan {
  return planOf(seed, sizes[seed % sizes.length] ?? 3, chaosMs);
}

/** One run of the seed's plan; when a rule was broken, with the smallest plan that still breaks one. */
export async function simulateVoters(seed: number): Promise<VotersOutcome> {
  const plan = votersPlan(seed);
  const first = await failureOf(plan);
  if (first.kind === 'held') return first;
  const small = await shrink(plan, async (smaller) => (await failureOf(smaller)).kind === 'broken');
  return { kind: 'broken', message: first.message, trace: small.steps.map(describeStep) };
}

async function failureOf(
  plan: Plan,
): Promise<{ kind: 'held'; report: VotersReport } | { kind: 'broken'; message: string }> {
  try {
    return { kind: 'held', report: await new VotersSimulation(plan).run() };
  } catch (error) {
    return { kind: 'broken', message: errorMessage(error) };
  }
}
