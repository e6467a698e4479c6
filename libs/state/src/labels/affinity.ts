import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';

/** Labels of services that name the services they want to be near to, or away from. */
export const affinityLabels = {
  near: 'shoal.affinity',
  away: 'shoal.anti-affinity',
} as const;

/** Services that one label may name. */
export const affinityTermsMax = 32;

/** In `shoal.anti-affinity`: the other tasks of the service itself. */
export const itself = 'self';

export interface AffinityTerm {
  /** As written: a service's name, or {@link itself}. */
  readonly name: string;
  /** Hard: the task waits rather than go to a node where it is not so. */
  readonly hard: boolean;
}

export interface Affinity {
  readonly near: readonly AffinityTerm[];
  readonly away: readonly AffinityTerm[];
}

const none: Affinity = { near: [], away: [] };
const form = /^([a-zA-Z0-9][a-zA-Z0-9_.-]*)(?::(hard|soft))?$/;
const read = new WeakMap<Labels, Affinity>();

/** What the labels say, read once for each set of labels; a malformed one says nothing. */
export function affinityOf(labels: Labels): Affinity {
  let affinity = read.get(labels);
  if (affinity === undefined) {
    const near = parse(labels[affinityLabels.near]) ?? [];
    const away = parse(labels[affinityLabels.away]) ?? [];
    affinity = near.length + away.length === 0 ? none : { near, away };
    read.set(labels, affinity);
  }
  return affinity;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkAffinityLabels(labels: Labels): string | undefined {
  for (const name of Object.values(affinityLabels)) {
    const text = labels[name];
    if (text === undefined) continue;
    const terms = parse(text);
    const allowed = `up to ${affinityTermsMax} service names separated by commas, each with :hard or :soft if need be`;
    if (terms === undefined) return labelFault(name, text, allowed);
    if (name === affinityLabels.near && terms.some((term) => term.name === itself))
      return labelFault(
        name,
        text,
        `${allowed}; ${itself} has a meaning in ${affinityLabels.away} only`,
      );
  }
  return undefined;
}

/** Undefined when the text is absent or malformed. */
function parse(text: string | undefined): readonly AffinityTerm[] | undefined {
  if (text === undefined) return undefined;
  const parts = text.split(',', affinityTermsMax + 1);
  if (parts.length > affinityTermsMax) return undefined;
  const terms: AffinityTerm[] = [];
  for (const part of parts) {
    const [, name, strength] = form.exec(part.trim()) ?? [];
    if (name === undefined) return undefined;
    terms.push({ name, hard: strength === 'hard' });
  }
  return terms;
}
