import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';

/** Labels of services that choose among nodes; the first, the second and the last also of the cluster. */
export const placementLabels = {
  rank: 'shoal.rank',
  imageLocality: 'shoal.image-locality',
  priority: 'shoal.priority',
  volumeSticky: 'shoal.volume-sticky',
} as const;

/** Priorities go from minus this to this. */
export const priorityMax = 1_000;

/** By what nodes are preferred: few tasks, much that is free, or little that is. */
export type Rank = 'spread' | 'free' | 'binpack';

/** Undefined for what is absent or malformed, here and below. */
export function rankOf(text: string | undefined): Rank | undefined {
  return text === 'spread' || text === 'free' || text === 'binpack' ? text : undefined;
}

export function flagOf(text: string | undefined): boolean | undefined {
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

export function priorityOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d{1,4}$/.test(text)) return undefined;
  const priority = Number(text);
  return Math.abs(priority) <= priorityMax ? priority : undefined;
}

const forms: readonly {
  readonly name: string;
  readonly read: (text: string) => unknown;
  readonly allowed: string;
}[] = [
  { name: placementLabels.rank, read: rankOf, allowed: 'spread, free or binpack' },
  { name: placementLabels.imageLocality, read: flagOf, allowed: 'true or false' },
  {
    name: placementLabels.priority,
    read: priorityOf,
    allowed: `a whole number from -${priorityMax} to ${priorityMax}`,
  },
  { name: placementLabels.volumeSticky, read: flagOf, allowed: 'true or false' },
];

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkPlacementLabels(labels: Labels): string | undefined {
  for (const { name, read, allowed } of forms) {
    const text = labels[name];
    if (text !== undefined && read(text) === undefined) return labelFault(name, text, allowed);
  }
  return undefined;
}
