import {
  type Cluster,
  checkNodeLabels,
  checkPlacementLabels,
  checkRebalanceLabels,
  type Labels,
  movesPerHourDefault,
  movesPerHourLabel,
  placementLabels,
  rebalanceLabel,
  removeAfterLabel,
} from '@shoal/state';

/** A label of the cluster that counts for all services that do not say otherwise. */
export interface Setting {
  readonly name: string;
  /** What holds when nothing is set. */
  readonly fallback: string;
  readonly about: string;
}

export const settings: readonly Setting[] = [
  {
    name: placementLabels.rank,
    fallback: 'spread',
    about: 'which nodes are preferred: spread, free or binpack',
  },
  {
    name: placementLabels.imageLocality,
    fallback: 'false',
    about: 'prefer nodes that have the image',
  },
  {
    name: placementLabels.volumeSticky,
    fallback: 'true',
    about: 'a task goes back to where its local volume is, or waits',
  },
  {
    name: rebalanceLabel,
    fallback: 'false',
    about: 'move running tasks to nodes that have fewer',
  },
  {
    name: movesPerHourLabel,
    fallback: String(movesPerHourDefault),
    about: 'moves of rebalancing in an hour, in the whole cluster',
  },
  {
    name: removeAfterLabel,
    fallback: 'never',
    about: 'workers that are down for so long are removed, such as 72h',
  },
];

/** What is set, and what holds. */
export function settingsOf({
  spec,
}: Cluster): readonly (Setting & { readonly value: string | null })[] {
  return settings.map((setting) => ({ ...setting, value: spec.Labels[setting.name] ?? null }));
}

export type ChangedLabels =
  | { readonly kind: 'labels'; readonly labels: Labels }
  /** `reason` is a sentence for people. */
  | { readonly kind: 'refused'; readonly reason: string };

/** The cluster's labels with the settings changed; null takes one back. Other labels stay. */
export function changedLabels(
  labels: Labels,
  change: Readonly<Record<string, string | null>>,
): ChangedLabels {
  const next: Record<string, string> = { ...labels };
  for (const [name, value] of Object.entries(change)) {
    if (!settings.some((setting) => setting.name === name)) {
      const known = settings.map((setting) => setting.name).join(', ');
      return { kind: 'refused', reason: `there is no setting ${name}; there are ${known}` };
    }
    if (value === null) delete next[name];
    else next[name] = value;
  }
  const fault = checkPlacementLabels(next) ?? checkRebalanceLabels(next) ?? checkNodeLabels(next);
  return fault === undefined
    ? { kind: 'labels', labels: next }
    : { kind: 'refused', reason: fault };
}
