import { errorMessage } from '@shoal/runtime';
import { shrink } from '../voters/shrink.ts';
import { GossipChaos, type GossipReport } from './chaos.ts';
import { describeGossipStep, type GossipPlan, gossipPlan } from './plan.ts';

export { GossipChaos, type GossipReport } from './chaos.ts';
export { type GossipPlan, gossipPlan } from './plan.ts';

export type GossipOutcome =
  | { readonly kind: 'held'; readonly report: GossipReport }
  /** `trace`: the fewest steps found that still fail, one per line. */
  | { readonly kind: 'broken'; readonly message: string; readonly trace: readonly string[] };

/** What runs seeds of gossip on a thread, for `runSeeds`. */
export const gossipThread = new URL('./seed-thread.ts', import.meta.url);

/** One run of the seed's plan; when hosts were wrong in the end, with the smallest plan that still does it. */
export async function simulateGossip(seed: number): Promise<GossipOutcome> {
  const plan = gossipPlan(seed);
  const first = await outcomeOf(plan);
  if (first.kind === 'held') return first;
  const small = await shrink(
    plan,
    async (smaller: GossipPlan) => (await outcomeOf(smaller)).kind === 'broken',
  );
  const last = await outcomeOf(small);
  const end = last.kind === 'broken' ? last.message : 'holds';
  const setting = `${plan.hosts} hosts, ${plan.networks} networks`;
  const trace = [setting, ...small.steps.map(describeGossipStep), `with these steps: ${end}`];
  return { kind: 'broken', message: first.message, trace };
}

async function outcomeOf(plan: GossipPlan): Promise<GossipOutcome> {
  try {
    return { kind: 'held', report: await new GossipChaos(plan).run() };
  } catch (error) {
    return { kind: 'broken', message: errorMessage(error), trace: [] };
  }
}
