import { errorMessage, type Logger } from '@shoal/runtime';
import { shrink } from '../voters/shrink.ts';
import type { ControlPlaneParts } from './parts.ts';
import { describeStep, type Plan, planOf } from './plan.ts';
import { type ControlPlaneReport, ControlPlaneSimulation } from './simulation.ts';

export type { ControlPlaneParts } from './parts.ts';
export { type Plan, planOf } from './plan.ts';
export { type ControlPlaneReport, ControlPlaneSimulation } from './simulation.ts';

export type ControlPlaneOutcome =
  | { readonly kind: 'held'; readonly report: ControlPlaneReport }
  /** `trace`: the fewest steps found that still fail, one per line. */
  | { readonly kind: 'broken'; readonly message: string; readonly trace: readonly string[] };

/** Runs of smaller plans: one that does not converge takes minutes of simulated time. */
const shrinkTriesMax = 80;

/** One run of the seed's plan; when a rule was broken, with the smallest plan that still breaks one. */
export async function simulateControlPlane(
  seed: number,
  parts: ControlPlaneParts,
  logger?: Logger,
): Promise<ControlPlaneOutcome> {
  const plan = planOf(seed);
  const first = await outcomeOf(plan, parts, logger);
  if (first.kind === 'held') return first;
  const small = await shrink(
    plan,
    async (smaller: Plan) => (await outcomeOf(smaller, parts, logger)).kind === 'broken',
    shrinkTriesMax,
  );
  const last = await outcomeOf(small, parts, logger);
  const { schedulers, replicas, hosts } = plan;
  const setting = `${hosts} hosts, ${schedulers} schedulers, ${replicas} of each other stage`;
  const end = last.kind === 'broken' ? last.message : 'holds';
  return {
    kind: 'broken',
    message: first.message,
    trace: [setting, ...small.steps.map(describeStep), `with these steps: ${end}`],
  };
}

async function outcomeOf(
  plan: Plan,
  parts: ControlPlaneParts,
  logger: Logger | undefined,
): Promise<ControlPlaneOutcome> {
  try {
    const report = await new ControlPlaneSimulation(plan, parts, logger).run();
    return { kind: 'held', report };
  } catch (error) {
    return { kind: 'broken', message: errorMessage(error), trace: [] };
  }
}
