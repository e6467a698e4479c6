import type { Labels } from '../spec.ts';
import { affinityLabels } from './affinity.ts';
import { autoscaleLabels } from './autoscale.ts';
import { balancingLabels } from './balancing.ts';
import { canaryLabel } from './canary.ts';
import { containerLabels } from './container.ts';
import { cronLabels } from './cron.ts';
import { dependencyLabels } from './dependencies.ts';
import { drainLabels } from './drain.ts';
import { placementLabels } from './placement.ts';
import { movesPerHourLabel, rebalanceLabel } from './rebalance.ts';
import { restartBackoffLabel } from './restart.ts';
import { stoppedLabel } from './stopped.ts';

const prefix = 'shoal.';

/** Every label that means something, by what carries it. */
const known = {
  service: [
    affinityLabels,
    autoscaleLabels,
    balancingLabels,
    cronLabels,
    dependencyLabels,
    drainLabels,
    placementLabels,
    { canaryLabel, rebalanceLabel, movesPerHourLabel, restartBackoffLabel, stoppedLabel },
  ].flatMap((labels): string[] => Object.values(labels)),
  container: containerLabels,
} as const;

/** What can carry labels of ours, with the flag of `docker service create` that gives it one. */
const carriers = { service: '--label', container: '--container-label' } as const;
type Carrier = keyof typeof carriers;

/** Changes of one letter after which a name is no slip any more. */
const slipsMax = 3;
/** Characters; longer names are nobody's slip. */
const nameMax = 48;

/** One sentence for each label that looks like one of ours and is none there: it would do nothing, unseen. */
export function unknownLabels(labels: Labels, carrier: Carrier): readonly string[] {
  const other: Carrier = carrier === 'service' ? 'container' : 'service';
  return Object.keys(labels)
    .filter((name) => name.startsWith(prefix) && !known[carrier].includes(name))
    .map((name) => {
      if (known[other].includes(name))
        return `label ${name} does nothing on a ${carrier}: give it to the ${other}, with ${carriers[other]}`;
      const meant = nearest(name, known[carrier]);
      const advice = meant === undefined ? '' : `; did you mean ${meant}?`;
      return `label ${name} is not known and does nothing${advice}`;
    });
}

function nearest(name: string, names: readonly string[]): string | undefined {
  if (name.length > nameMax) return undefined;
  const ranked = names
    .map((one) => ({ one, slips: distance(name, one) }))
    .sort((a, b) => a.slips - b.slips);
  const [first] = ranked;
  return first !== undefined && first.slips <= slipsMax ? first.one : undefined;
}

/** Levenshtein's distance: letters to add, to drop or to change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1];
    for (const [column, other] of [...b].entries()) {
      const change = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(change, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
